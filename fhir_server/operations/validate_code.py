"""CodeSystem/$validate-code and ValueSet/$validate-code: whether a code is one, and whether its words are right.

https://hl7.org/fhir/R4/codesystem-operation-validate-code.html and https://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fhir_server.interactions.context import Context, Result
from fhir_server.operations import terms
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.operations.terms import Coded, check_date, codings, flag_of, text_of, told, valued
from fhir_server.operations.valuesets import CONTEXT, SET_VERSION, VALUE_SET, set_of
from terminology.codes.compose import Composer, One, Versions
from terminology.codes.concept import CannotTell, Concept, Json, System


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one coding."""

    is_valid: bool
    message: str = ""
    display: str = ""

    def parameters(self) -> list[Json]:
        """As the operation's answer."""
        found = [valued("result", "Boolean", self.is_valid)]
        found += [valued("message", "String", self.message)] if self.message else []
        return found + ([valued("display", "String", self.display)] if self.display else [])


Judge = Callable[[Coded], Verdict]


def in_code_system(context: Context, request: OperationRequest) -> Result:
    """Whether the code system has the code. Raises NOT_FOUND for a code system or a version that is not there."""
    url, version = text_of(request, "url"), text_of(request, "version")
    asked = codings(request, url)

    def judge(coded: Coded) -> Verdict:
        at = url or coded.system
        system = terms.system_of(context, request, at, version or coded.version)
        check_date(context, request, [(system.url, system.date)])
        if coded.system not in ("", system.url):
            return Verdict(False, f"The coding is of {coded.system[:300]}, not of {system.url}.")
        found = system.find([coded.code]).get(coded.code)
        return _of_system(system, found, coded, request)

    return _any_of(asked, judge)


def _of_system(system: System, found: Concept | None, coded: Coded, request: OperationRequest) -> Verdict:
    if found is None:
        if system.content != "complete":
            text = system.note or f"Only a part ({system.content}) of {system.url} is known here."
            raise CannotTell("incomplete", f"Whether {coded.code[:100]} is a code cannot be told. {text}")
        return Verdict(False, f"{system.url} has no code {coded.code[:100]}.")
    return _of_words(found, coded, request, system.note)


def in_value_set(context: Context, request: OperationRequest) -> Result:
    """Whether the value set has the code. Raises NOT_FOUND for what is not there, NOT_PROCESSABLE for what cannot be told."""
    asked = codings(request, text_of(request, "system"))
    with told():
        found = set_of(context, request)
    check_date(context, request, [(str(found.get("url", "The value set")), str(found.get("date", "")))])
    name = found.get("url") or found.get("id") or "given"
    version = text_of(request, "systemVersion")

    def judge(coded: Coded) -> Verdict:
        named = coded.version or version
        versions = Versions(check={coded.system: named}) if named and coded.system else Versions()
        composer = Composer(terms.catalog(context), One(coded.system or None, coded.code), versions)
        members = list(composer.members(found).values())
        if not members:
            return Verdict(False, _absent(context, coded, str(name)))
        if len({member.system for member in members}) > 1:
            raise CannotTell(
                "multiple-matches", "Several code systems of the value set have this code: name one."
            )
        return _of_words(members[0].concept, coded, request, " ".join(composer.notes))

    return _any_of(asked, judge)


def _absent(context: Context, coded: Coded, name: str) -> str:
    """Why not; a system that nobody knows is said to be unknown."""
    code = f"{coded.system}|{coded.code}" if coded.system else coded.code
    system = terms.catalog(context).system(coded.system) if coded.system else None
    if system is None and coded.system:
        return f"The value set {name} has no code {code[:400]}, whose code system is not known here."
    if system and system.content == "complete" and not system.find([coded.code]):
        return f"{coded.system} has no code {coded.code[:100]}."
    return f"The value set {name} has no code {code[:400]}."


def _of_words(found: Concept, coded: Coded, request: OperationRequest, note: str) -> Verdict:
    """The code is there: is it one to be used here, and are its words right?"""
    display = found.in_language(text_of(request, "displayLanguage"))
    may_be_abstract = flag_of(request, "abstract")
    if found.is_abstract and may_be_abstract is False:
        return Verdict(False, f"{found.code} only groups other codes (abstract).", display)
    if coded.display and not note and not _is_said(coded.display, found):
        return Verdict(False, f"The display is not one of {found.code}; it is said {display!r}.", display)
    hints = [note] if note else []
    hints += [f"{found.code} is inactive."] if found.is_inactive else []
    hints += (
        [f"{found.code} only groups other codes (abstract)."]
        if found.is_abstract and not may_be_abstract
        else []
    )
    return Verdict(True, " ".join(hints), display)


def _is_said(display: str, found: Concept) -> bool:
    """Upper case, lower case and white space make no difference."""
    names = {" ".join(name.lower().split()) for name in found.names() if name}
    return not names or " ".join(display.lower().split()) in names


def _any_of(asked: Sequence[Coded], judge: Judge) -> Result:
    """One valid coding is enough; without one, a doubt says more than a no."""
    verdicts: list[Verdict] = []
    doubts: list[CannotTell] = []
    for coded in asked:
        try:
            verdicts.append(judge(coded))
        except CannotTell as doubt:
            doubts.append(doubt)
    valid = next((v for v in verdicts if v.is_valid), None)
    if valid is None and doubts:
        with told():
            raise doubts[0]
    if valid is not None:
        return parameters_result(valid.parameters())
    message = " ".join(dict.fromkeys(v.message for v in verdicts))
    display = next((v.display for v in verdicts if v.display), "")
    return parameters_result(Verdict(False, message, display).parameters())


_TITLE = "Whether a code is valid"
IN_CODE_SYSTEM = Operation(
    "validate-code",
    _TITLE,
    in_code_system,
    ("CodeSystem",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("url", "in", 0, "1", "uri", "the code system; not needed at an instance"),
        Parameter("codeSystem", "in", 0, "1", "CodeSystem", "or the code system itself"),
        terms.CODE,
        Parameter("version", "in", 0, "1", "string", "version of the code system"),
        terms.DISPLAY,
        terms.CODING,
        terms.CONCEPT,
        terms.DATE,
        terms.ABSTRACT,
        terms.LANGUAGE,
        *terms.ANSWER,
    ),
)
IN_VALUE_SET = Operation(
    "validate-code",
    _TITLE,
    in_value_set,
    ("ValueSet",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("url", "in", 0, "1", "uri", "the value set; not needed at an instance"),
        CONTEXT,
        VALUE_SET,
        SET_VERSION,
        terms.CODE,
        Parameter(
            "system",
            "in",
            0,
            "1",
            "uri",
            "the code system; may be left out where only one of them has the code",
        ),
        Parameter("systemVersion", "in", 0, "1", "string", "version of the code system"),
        terms.DISPLAY,
        terms.CODING,
        terms.CONCEPT,
        terms.DATE,
        terms.ABSTRACT,
        terms.LANGUAGE,
        *terms.ANSWER,
    ),
)

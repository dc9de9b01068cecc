"""What the operations of terminology share: their parameters as values, the catalog, and what cannot be told as an OperationOutcome.

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from fhir_server.interactions.context import Context
from fhir_server.interactions.read import read
from fhir_server.operations.registry import OperationRequest, Parameter
from fhir_server.r4 import json
from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.outcome import FhirError, Issue, Problem
from terminology.codes.catalog import Catalog
from terminology.codes.concept import CannotTell, System
from terminology.codes.memory import of_resource

Json = dict[str, Any]
CODE = Parameter("code", "in", 0, "1", "code", "the code")
CODING = Parameter("coding", "in", 0, "1", "Coding", "or a coding; in an address system|code")
CONCEPT = Parameter("codeableConcept", "in", 0, "1", "CodeableConcept", "or a concept: one coding is enough")
DISPLAY = Parameter("display", "in", 0, "1", "string", "words to check too")
DATE = Parameter("date", "in", 0, "1", "dateTime", "as it was then: refused where the definition is younger")
ABSTRACT = Parameter(
    "abstract",
    "in",
    0,
    "1",
    "boolean",
    "whether a code that only groups others will do; it does, with a message",
)
LANGUAGE = Parameter("displayLanguage", "in", 0, "1", "code", "language of the words, where there are any")
ANSWER = (
    Parameter("result", "out", 1, "1", "boolean", "whether it is valid"),
    Parameter("message", "out", 0, "1", "string", "why not, or what to know"),
    Parameter("display", "out", 0, "1", "string", "the right words"),
)


@dataclass(frozen=True, slots=True)
class Coded:
    """A coding that is asked about; `system` is empty where none was named."""

    system: str
    code: str
    version: str = ""
    display: str = ""

    @classmethod
    def parse(cls, value: Any, name: str) -> Coded:
        """Of a Coding, or of `system|code` in an address."""
        if isinstance(value, str) and "|" in value:
            system, _, code = value.rpartition("|")
            return cls(system, code)
        if not isinstance(value, dict) or not isinstance(value.get("code"), str):
            raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a Coding with a code.")
        texts = (value.get(part, "") for part in ("system", "code", "version", "display"))
        return cls(*(text if isinstance(text, str) else "" for text in texts))


def catalog(context: Context) -> Catalog:
    """What this server knows of codes."""
    return context.service.catalog


@contextmanager
def told() -> Iterator[None]:
    """What cannot be told becomes an OperationOutcome: NOT_FOUND or NOT_PROCESSABLE."""
    try:
        yield
    except CannotTell as doubt:
        problem = Problem.NOT_FOUND if doubt.code == "not-found" else Problem.NOT_PROCESSABLE
        raise FhirError(problem, doubt.text, issues=[Issue(doubt.code, doubt.text)]) from None


def text_of(request: OperationRequest, name: str) -> str:
    """A parameter that is a text; empty where it is not given. Raises BAD_PARAMETER."""
    value = request.value(name, "")
    if not isinstance(value, str):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a text.")
    return value


def flag_of(request: OperationRequest, name: str) -> bool | None:
    """A boolean, from an address or from Parameters; None where it is not given. Raises BAD_PARAMETER."""
    value = request.value(name)
    if value is None or isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected true or false.")
    return bool(value == "true")


def number_of(request: OperationRequest, name: str) -> int | None:
    """A whole number from 0; None where it is not given. Raises BAD_PARAMETER."""
    value = request.value(name)
    if value is None:
        return None
    digits = str(value)
    if isinstance(value, bool) or not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a whole number from 0.")
    return int(digits)


def codings(request: OperationRequest, system: str) -> list[Coded]:
    """What is asked about: code, coding or codeableConcept; `system` where the first has none. Raises BAD_REQUEST."""
    given = [name for name in ("code", "coding", "codeableConcept") if request.value(name) is not None]
    if len(given) != 1:
        raise FhirError(Problem.BAD_REQUEST, "Expected one of code, coding and codeableConcept.")
    display = text_of(request, "display")
    if given[0] == "code":
        return [Coded(system, text_of(request, "code"), "", display)]
    if given[0] == "coding":
        return [Coded.parse(request.value("coding"), "coding")]
    concept = request.value("codeableConcept")
    rows = concept.get("coding") if isinstance(concept, dict) else None
    if not isinstance(rows, list) or not rows:
        raise FhirError(Problem.BAD_PARAMETER, "codeableConcept: expected a CodeableConcept with a coding.")
    return [Coded.parse(row, "codeableConcept") for row in rows]


def resource_of(request: OperationRequest, name: str, kind: str) -> Json | None:
    """The definition in the body: as parameter `name`, or as the body itself."""
    found = request.value(name, request.value("resource"))
    if found is None:
        return None
    if not isinstance(found, dict) or found.get("resourceType") != kind:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a {kind}.")
    return found


def stored(context: Context, request: OperationRequest) -> Json:
    """The definition under the address."""
    return json.decode_object(read(context, request.type, request.id).body or b"")


def system_of(context: Context, request: OperationRequest, url: str, version: str) -> System:
    """The code system of the address, of the body, or of this URL and version. Raises NOT_FOUND, BAD_REQUEST."""
    found = stored(context, request) if request.id else resource_of(request, "codeSystem", "CodeSystem")
    if found is not None:
        return of_resource(found)
    if not url:
        raise FhirError(Problem.BAD_REQUEST, "Which code system is meant? Its URL is missing.")
    return catalog(context).require_system(url, version)


def check_date(context: Context, request: OperationRequest, changed: Sequence[tuple[str, str]]) -> None:
    """Only definitions that have not changed since can be told as of a day. Raises NOT_SUPPORTED.

    `changed`: name and date of each definition, the date as FHIR writes it, or empty."""
    asked = text_of(request, "date")
    if not asked:
        return
    day = _day(asked)
    if day >= context.now().date():
        return
    for name, since in changed:
        if not since or _day(since) > day:
            raise FhirError(
                Problem.NOT_SUPPORTED, f"What {name} was on that day is not known; it is younger."
            )


def _day(text: str) -> date:
    try:
        return parse_instant_or_partial(text.replace(" ", "+")).lo.date()
    except ValueError:
        raise FhirError(Problem.BAD_PARAMETER, "date: expected a date or an instant.") from None


def valued(name: str, kind: str, value: Any) -> Json:
    """A parameter of an answer."""
    return {"name": name, f"value{kind}": value}

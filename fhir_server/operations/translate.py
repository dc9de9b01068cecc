"""ConceptMap/$translate: a code of one system in the words of another.

Without a map named, every map out of the code's system that is neither experimental nor retired is asked.
https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.read import read
from fhir_server.interactions.writing import ID
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.validate import validate
from terminology.coding import Coding, coding_of, codings_of
from terminology.concept_map import ConceptMap, parse
from terminology.translate import Asked, Dependency, Match
from terminology.translate import translate as matches_of

Json = dict[str, Any]
Code = tuple[Coding, str]
"""A Coding and the version of its system."""


def translate(context: Context, request: OperationRequest) -> Result:
    """200 with `result` true or false. Raises NOT_FOUND for a map that is not there, BAD_PARAMETER."""
    codes, asked = _codes(request), _asked(request)
    maps = _named(context, request)
    if maps is None:
        maps = [m for coding, _ in codes for m in _between(context, coding.system, asked)]
    fitting = _fitting(context, request, dict.fromkeys(maps), asked)
    found = [
        match
        for map in fitting
        for coding, version in codes
        for match in matches_of(map, coding, asked, context.service.maps.named, version)
    ]
    within = [_worded(context, match) for match in _within(context, request, found, asked)]
    return parameters_result(_answer(within, bool(fitting)))


def _codes(request: OperationRequest) -> list[Code]:
    """What is to be translated, out of the one parameter that says it."""
    given = [name for name in ("code", "coding", "codeableConcept") if request.values(name)]
    if len(given) != 1:
        raise FhirError(
            Problem.BAD_PARAMETER, "$translate needs one of the parameters code, coding and codeableConcept."
        )
    value = _one(request, given[0])
    if given[0] == "code":
        if not request.values("system"):
            raise FhirError(Problem.BAD_PARAMETER, "code: the parameter system says whose code it is.")
        return [(Coding(_text(request, "system"), _text(request, "code")), _text(request, "version"))]
    if isinstance(value, str) and given[0] == "coding":
        system, _, code = value.rpartition("|")
        value = {"system": system, "code": code}
    if not isinstance(value, dict):
        raise FhirError(Problem.BAD_PARAMETER, f"{given[0]}: expected an object, in a Parameters resource.")
    concept = {"coding": [value]} if given[0] == "coding" else value
    codings = [one for one in concept.get("coding", ()) if isinstance(one, dict) and one.get("code")]
    if not codings:
        raise FhirError(Problem.BAD_PARAMETER, f"{given[0]}: expected a code and its system.")
    return [(coding_of(one), str(one.get("version", ""))) for one in codings]


def _asked(request: OperationRequest) -> Asked:
    reverse = str(request.value("reverse", "false")).lower()
    if reverse not in ("true", "false"):
        raise FhirError(Problem.BAD_PARAMETER, "reverse: expected true or false.")
    return Asked(_text(request, "targetsystem"), tuple(_dependencies(request)), reverse == "true")


def _dependencies(request: OperationRequest) -> Iterator[Dependency]:
    for parts in request.values("dependency"):
        found = {p.get("name"): p for p in parts if isinstance(p, dict)} if isinstance(parts, list) else {}
        element = found.get("element", {}).get("valueUri")
        concept = found.get("concept", {}).get("valueCodeableConcept")
        if not isinstance(element, str) or not isinstance(concept, dict):
            raise FhirError(
                Problem.BAD_PARAMETER,
                "dependency: expected the parts element (uri) and concept (CodeableConcept).",
            )
        yield Dependency(element, codings_of(concept), str(concept.get("text", "")))


def _named(context: Context, request: OperationRequest) -> list[ConceptMap] | None:
    """The map that the address, `url` or `conceptMap` names; None where none does."""
    url, body = _text(request, "url"), _one(request, "conceptMap")
    if (bool(request.id) + bool(url) + (body is not None)) > 1:
        raise FhirError(Problem.BAD_PARAMETER, "The map is named once: by the address, url or conceptMap.")
    if request.id:
        return [parse(json.decode_object(read(context, "ConceptMap", request.id).body or b"{}"))]
    if body is not None:
        return [_given(body)]
    if not url:
        return None
    canonical, _, version = url.partition("|")
    wanted = _text(request, "conceptMapVersion") or version
    found = context.service.maps.named(f"{canonical}|{wanted}" if wanted else canonical)
    if found is None:
        raise FhirError(Problem.NOT_FOUND, "There is no ConceptMap of this url and version.")
    return [found]


def _given(body: Any) -> ConceptMap:
    if not isinstance(body, dict) or body.get("resourceType") != "ConceptMap":
        raise FhirError(Problem.BAD_PARAMETER, "conceptMap: expected a ConceptMap, in a Parameters resource.")
    if wrong := [issue for issue in validate(body) if issue.severity == "error"]:
        raise FhirError(Problem.INVALID, "The conceptMap is not valid.", issues=wrong)
    return parse(body)


def _between(context: Context, system: str, asked: Asked) -> Sequence[ConceptMap]:
    return context.service.maps.between(system, is_target=asked.is_reverse)


def _fitting(
    context: Context, request: OperationRequest, maps: Iterable[ConceptMap], asked: Asked
) -> list[ConceptMap]:
    """Those whose source value set is the one that the code was chosen from, where both are known."""
    source = _value_set(context, _text(request, "source"))
    return [m for m in maps if not source or _plain(_start(m, asked)) in ("", source)]


def _within(context: Context, request: OperationRequest, found: list[Match], asked: Asked) -> list[Match]:
    """Those that lie in the target value set: the map is made for it, or the set is known to hold the code."""
    target = _value_set(context, _text(request, "target"))
    if not target:
        return found
    holds = context.service.sets.holds
    return [
        m
        for m in found
        if _plain(_end(m.map, asked)) == target
        or (m.coding.code and holds(target, m.coding.system, m.coding.code))
    ]


def _worded(context: Context, match: Match) -> Match:
    """With the display of the code system, where the map has none and the system is known here."""
    own = match.coding
    system = (
        context.service.catalog.system(own.system, match.version) if own.code and not own.display else None
    )
    concept = system.find([own.code]).get(own.code) if system else None
    return replace(match, coding=replace(own, display=concept.display)) if concept else match


def _start(map: ConceptMap, asked: Asked) -> str:
    return map.target if asked.is_reverse else map.source


def _end(map: ConceptMap, asked: Asked) -> str:
    return map.source if asked.is_reverse else map.target


def _plain(canonical: str) -> str:
    return _MOVED.sub(r"http://terminology.hl7.org/ValueSet/\1", canonical.partition("|")[0])


_MOVED = re.compile(r"http://hl7\.org/fhir/ValueSet/(v[23]-)")
"""R4 moved the value sets of v2 and v3; its page on $translate still asks by the old name."""


def _value_set(context: Context, text: str) -> str:
    """The canonical of a value set that is named by it, by its address here, or by its id."""
    name = text.removeprefix(f"{context.base}/").removeprefix("ValueSet/")
    if not text or not ID.fullmatch(name):
        return _plain(text)
    body = json.decode_object(read(context, "ValueSet", name).body or b"{}")
    return str(body.get("url", f"{context.base}/ValueSet/{name}"))


def _answer(found: Sequence[Match], has_maps: bool) -> list[Json]:
    shown = list({_key(match): match for match in found if not match.needs}.values())
    result = any(match.is_translation for match in shown)
    message = "" if result and not any(m.needs for m in found) else _message(found, shown, has_maps)
    parameters: list[Json] = [{"name": "result", "valueBoolean": result}]
    if message:
        parameters.append({"name": "message", "valueString": message})
    return parameters + [{"name": "match", "part": _parts(match)} for match in shown]


def _message(found: Sequence[Match], shown: Sequence[Match], has_maps: bool) -> str:
    if needs := sorted({element for match in found for element in match.needs}):
        return f"Further matches depend on {', '.join(needs)}."
    if shown:
        return "The map says that there is no such concept in the target."
    return "The map does not list the code." if has_maps else "No map between these systems is known."


def _key(match: Match) -> tuple[Any, ...]:
    return match.coding.key, match.equivalence, match.products, match.map.url


def _parts(match: Match) -> list[Json]:
    parts: list[Json] = []
    if match.equivalence:
        parts.append({"name": "equivalence", "valueCode": match.equivalence})
    if match.coding.code:
        parts.append({"name": "concept", "valueCoding": _coding(match.coding, match.version)})
    for product in match.products:
        own = [
            {"name": "element", "valueUri": product.property},
            {"name": "concept", "valueCoding": _coding(product.value)},
        ]
        parts.append({"name": "product", "part": own})
    if match.map.url:
        parts.append({"name": "source", "valueUri": match.map.url})
    return parts


def _coding(coding: Coding, version: str = "") -> Json:
    found = {"system": coding.system, "version": version, "code": coding.code, "display": coding.display}
    return {name: value for name, value in found.items() if value}


def _text(request: OperationRequest, name: str) -> str:
    value = _one(request, name)
    if value is not None and not isinstance(value, str):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a text.")
    return value or ""


def _one(request: OperationRequest, name: str) -> Any:
    values = request.values(name)
    if len(values) > 1:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected once.")
    return values[0] if values else None


OPERATION = Operation(
    "translate",
    "A code in the words of another code system",
    translate,
    ("ConceptMap",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("url", "in", 0, "1", "uri", "canonical of the map; every fitting map where none is named"),
        Parameter("conceptMap", "in", 0, "1", "ConceptMap", "the map itself"),
        Parameter("conceptMapVersion", "in", 0, "1", "string", "version of the map"),
        Parameter("code", "in", 0, "1", "code", "what is translated; or coding or codeableConcept"),
        Parameter("system", "in", 0, "1", "uri", "whose code it is"),
        Parameter("version", "in", 0, "1", "string", "version of the system"),
        Parameter("source", "in", 0, "1", "uri", "value set that the code was chosen from"),
        Parameter("coding", "in", 0, "1", "Coding", "what is translated; in an address system|code"),
        Parameter(
            "codeableConcept", "in", 0, "1", "CodeableConcept", "what is translated: each of its codings"
        ),
        Parameter("target", "in", 0, "1", "uri", "value set that the answer is to lie in"),
        Parameter("targetsystem", "in", 0, "1", "uri", "code system that the answer is to be of"),
        Parameter(
            "dependency",
            "in",
            0,
            "*",
            "",
            "what else is known, for maps that depend on it",
            (
                Parameter("element", "in", 0, "1", "uri", "the element"),
                Parameter("concept", "in", 0, "1", "CodeableConcept", "what it holds"),
            ),
        ),
        Parameter("reverse", "in", 0, "1", "boolean", "from the target of the maps to their source"),
        Parameter("result", "out", 1, "1", "boolean", "whether there is a translation"),
        Parameter("message", "out", 0, "1", "string", "why there is none, or what would give more"),
        Parameter(
            "match",
            "out",
            0,
            "*",
            "",
            "what the maps say",
            (
                Parameter("equivalence", "out", 0, "1", "code", "how the two concepts relate"),
                Parameter("concept", "out", 0, "1", "Coding", "the translation; none where there is none"),
                Parameter(
                    "product",
                    "out",
                    0,
                    "*",
                    "",
                    "a further element that the translation sets",
                    (
                        Parameter("element", "out", 0, "1", "uri", "the element"),
                        Parameter("concept", "out", 0, "1", "Coding", "what it is set to"),
                    ),
                ),
                Parameter("source", "out", 0, "1", "uri", "canonical of the map"),
            ),
        ),
    ),
    description="Only maps that are neither experimental nor retired are asked without being named.",
)

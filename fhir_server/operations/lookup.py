"""CodeSystem/$lookup: what a code means, in the words of its code system.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.operations.terms import (
    CODE,
    CODING,
    DATE,
    LANGUAGE,
    Coded,
    check_date,
    system_of,
    text_of,
    told,
    valued,
)
from fhir_server.r4.outcome import FhirError, Problem
from terminology.codes.concept import Concept, Json, System


def lookup(context: Context, request: OperationRequest) -> Result:
    """200 with what is known. Raises NOT_FOUND for a code, a code system or a version that is not there."""
    asked = _asked(request)
    version = asked.version or text_of(request, "version")
    with told():
        system = system_of(context, request, asked.system, version)
        found = system.find([asked.code]).get(asked.code)
    if found is None:
        note = f" {system.note}" if system.note else ""
        raise FhirError(Problem.NOT_FOUND, f"{system.url} has no code {asked.code[:100]}.{note}")
    check_date(context, request, [(system.url, system.date)])
    wanted = [str(name) for name in request.values("property")]
    return parameters_result(list(_answer(system, found, wanted, text_of(request, "displayLanguage"))))


def _asked(request: OperationRequest) -> Coded:
    coding = request.value("coding")
    if coding is not None:
        return Coded.parse(coding, "coding")
    code, system = text_of(request, "code"), text_of(request, "system")
    if not code or not (system or request.id):
        raise FhirError(Problem.BAD_REQUEST, "$lookup needs code and system, or coding.")
    return Coded(system, code)


def _answer(system: System, found: Concept, wanted: list[str], language: str) -> Iterator[Json]:
    yield valued("name", "String", system.name)
    if system.version:
        yield valued("version", "String", system.version)
    yield valued("display", "String", found.in_language(language) or found.code)
    if not wanted or "designation" in wanted or any(name.startswith("lang.") for name in wanted):
        yield from (_designation(row) for row in found.designations if _is_wanted(row, wanted))
    for name, row in _properties(system, found):
        if not wanted or name in wanted:
            yield row


def _is_wanted(row: Json, wanted: list[str]) -> bool:
    return not wanted or "designation" in wanted or f"lang.{row.get('language')}" in wanted


def _designation(row: Json) -> Json:
    kinds = {"language": "Code", "use": "Coding", "value": "String"}
    parts = [valued(name, kind, row[name]) for name, kind in kinds.items() if name in row]
    return {"name": "designation", "part": parts}


def _properties(system: System, found: Concept) -> Iterator[tuple[str, Json]]:
    """url, definition, inactive, abstract, parent, child, and the system's own."""
    yield "url", _property("url", "Uri", system.url)
    if system.note:
        yield "note", _property("note", "String", system.note)
    if found.definition:
        yield "definition", _property("definition", "String", found.definition)
    yield "inactive", _property("inactive", "Boolean", found.is_inactive)
    if found.is_abstract:
        yield "abstract", _property("abstract", "Boolean", True)
    below = system.children(found.code)
    known = system.find([*found.parents, *below])
    for name, codes in (("parent", found.parents), ("child", below)):
        for code in codes:
            yield name, _property(name, "Code", code, known[code].display if code in known else "")
    for row in found.properties:
        yield str(row.get("code")), _own(row)


def _property(code: str, kind: str, value: Any, description: str = "") -> Json:
    parts = [valued("code", "Code", code), valued("value", kind, value)]
    if description:
        parts.append(valued("description", "String", description))
    return {"name": "property", "part": parts}


def _own(row: Json) -> Json:
    """A property of the concept, as it stands there."""
    value = {name: found for name, found in row.items() if name.startswith("value")}
    return {"name": "property", "part": [valued("code", "Code", row.get("code")), {"name": "value", **value}]}


OPERATION = Operation(
    "lookup",
    "What a code means",
    lookup,
    ("CodeSystem",),
    type_level=True,
    instance=True,
    parameters=(
        CODE,
        Parameter("system", "in", 0, "1", "uri", "its code system; not needed at an instance"),
        Parameter("version", "in", 0, "1", "string", "version of the code system"),
        CODING,
        DATE,
        LANGUAGE,
        Parameter("property", "in", 0, "*", "code", "properties to show; all where none is named"),
        Parameter("name", "out", 1, "1", "string", "the code system"),
        Parameter("version", "out", 0, "1", "string", "its version"),
        Parameter("display", "out", 1, "1", "string", "the preferred words"),
        Parameter(
            "designation",
            "out",
            0,
            "*",
            "",
            "other words",
            (
                Parameter("language", "out", 0, "1", "code", "their language"),
                Parameter("use", "out", 0, "1", "Coding", "what they are for"),
                Parameter("value", "out", 1, "1", "string", "the words"),
            ),
        ),
        Parameter(
            "property",
            "out",
            0,
            "*",
            "",
            "url, definition, inactive, abstract, parent, child, note, and what the system has of its own",
            (
                Parameter("code", "out", 1, "1", "code", "which"),
                Parameter("value", "out", 0, "1", "Element", "its value"),
                Parameter("description", "out", 0, "1", "string", "words for a value that is a code"),
            ),
        ),
    ),
)

"""ValueSet/$expand: the codes of a value set.

https://hl7.org/fhir/R4/valueset-operation-expand.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.operations.terms import (
    DATE,
    LANGUAGE,
    catalog,
    check_date,
    flag_of,
    number_of,
    text_of,
    told,
    valued,
)
from fhir_server.operations.valuesets import CONTEXT, SET_VERSION, VALUE_SET, set_of
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from terminology.codes.compose import Composer, Versions
from terminology.codes.expansion import Options, expansion

Json = dict[str, Any]


def expand(context: Context, request: OperationRequest) -> Result:
    """200 with the ValueSet. Raises NOT_FOUND for what is not there, NOT_PROCESSABLE for what cannot be listed."""
    options = _options(request)
    with told():
        found = set_of(context, request)
        composer = Composer(catalog(context), versions=_versions(request), text=options.filter)
        members = composer.members(found)
    own = (str(found.get("url", "the value set")), str(found.get("date", "")))
    check_date(context, request, [own, *((name, since) for (_, name), since in composer.used.items())])
    body = expansion(members, options)
    head = {
        "identifier": f"urn:uuid:{context.service.new_id()}",
        "timestamp": context.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "total": body.pop("total"),
        **({"offset": body.pop("offset")} if "offset" in body else {}),
    }
    echoed = [*_echo(request), *_used(composer)]
    if echoed:
        head["parameter"] = echoed
    return Result(200, json.encode(_shown(found, request) | {"expansion": head | body}))


def _options(request: OperationRequest) -> Options:
    wanted = tuple(str(token) for token in request.values("designation"))
    shows = flag_of(request, "includeDesignations")
    flat = flag_of(request, "excludeNested")
    return Options(
        filter=text_of(request, "filter").strip(),
        offset=number_of(request, "offset") or 0,
        count=number_of(request, "count"),
        active_only=flag_of(request, "activeOnly") is True,
        nested=None if flat is None else not flat,
        for_interface=flag_of(request, "excludeNotForUI") is True,
        designations=wanted if shows or (wanted and shows is None) else None,
        language=text_of(request, "displayLanguage"),
        without_systems=tuple(_texts(request, "exclude-system")),
    )


def _versions(request: OperationRequest) -> Versions:
    """The three parameters that say which version of a code system counts."""
    names = ("system-version", "check-system-version", "force-system-version")
    return Versions(*(dict(_split(each, name) for each in _texts(request, name)) for name in names))


def _split(canonical: str, name: str) -> tuple[str, str]:
    system, bar, version = canonical.rpartition("|")
    if not (system and bar and version):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected system|version.")
    return system, version


def _texts(request: OperationRequest, name: str) -> list[str]:
    found = request.values(name)
    if not all(isinstance(value, str) for value in found):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a text.")
    return found


_ECHOED = {
    "filter": "String",
    "date": "DateTime",
    "offset": "Integer",
    "count": "Integer",
    "includeDesignations": "Boolean",
    "designation": "String",
    "includeDefinition": "Boolean",
    "activeOnly": "Boolean",
    "excludeNested": "Boolean",
    "excludeNotForUI": "Boolean",
    "excludePostCoordinated": "Boolean",
    "displayLanguage": "Code",
    "exclude-system": "Uri",
    "system-version": "Uri",
    "check-system-version": "Uri",
    "force-system-version": "Uri",
}
"""Parameters that the expansion repeats, and the type that they have there."""


def _echo(request: OperationRequest) -> Iterator[Json]:
    for name, kind in _ECHOED.items():
        for value in request.values(name):
            yield valued(name, kind, _typed(request, name, kind, value))


def _typed(request: OperationRequest, name: str, kind: str, value: Any) -> Any:
    if kind == "Boolean":
        return flag_of(request, name)
    return number_of(request, name) if kind == "Integer" else value


def _used(composer: Composer) -> Iterator[Json]:
    """Which versions it rests on, and what a reader should know."""
    for name, canonical in composer.used:
        yield valued(name, "Uri", canonical)
    for note in composer.notes:
        yield valued("note", "String", note)


def _shown(found: Json, request: OperationRequest) -> Json:
    """The value set without its definition, unless that is wanted."""
    whole = flag_of(request, "includeDefinition") is True
    kept = {name: value for name, value in found.items() if whole or name in _HEAD}
    return {
        "resourceType": "ValueSet",
        "status": "unknown",
        **{n: v for n, v in kept.items() if n != "expansion"},
    }


_HEAD = (
    "resourceType",
    "id",
    "url",
    "identifier",
    "version",
    "name",
    "title",
    "status",
    "experimental",
    "date",
    "language",
)

OPERATION = Operation(
    "expand",
    "The codes of a value set",
    expand,
    ("ValueSet",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("url", "in", 0, "1", "uri", "the value set; not needed at an instance"),
        VALUE_SET,
        SET_VERSION,
        CONTEXT,
        Parameter("contextDirection", "in", 0, "1", "code", "incoming or outgoing; makes no difference here"),
        Parameter(
            "filter", "in", 0, "1", "string", "each word begins a word of the code's names, or is the code"
        ),
        DATE,
        Parameter("offset", "in", 0, "1", "integer", "how many codes to leave out first; the answer is flat"),
        Parameter("count", "in", 0, "1", "integer", "how many codes to give; 0 for the total alone"),
        Parameter("includeDesignations", "in", 0, "1", "boolean", "whether to show other words"),
        Parameter(
            "designation", "in", 0, "*", "string", "which: a language, or system|code of a language or a use"
        ),
        Parameter(
            "includeDefinition", "in", 0, "1", "boolean", "whether to show what the value set is made of"
        ),
        Parameter("activeOnly", "in", 0, "1", "boolean", "leave out inactive codes"),
        Parameter("excludeNested", "in", 0, "1", "boolean", "true: flat; false: nested, and no pages"),
        Parameter("excludeNotForUI", "in", 0, "1", "boolean", "leave out codes that only group others"),
        Parameter(
            "excludePostCoordinated",
            "in",
            0,
            "1",
            "boolean",
            "no code of an expansion here is post-coordinated",
        ),
        LANGUAGE,
        Parameter("exclude-system", "in", 0, "*", "canonical", "leave out a code system, or a version of it"),
        Parameter(
            "system-version", "in", 0, "*", "canonical", "version to take where the value set names none"
        ),
        Parameter("check-system-version", "in", 0, "*", "canonical", "version to insist on"),
        Parameter(
            "force-system-version", "in", 0, "*", "canonical", "version to take whatever the value set names"
        ),
        Parameter("return", "out", 1, "1", "ValueSet", "with its expansion"),
    ),
)

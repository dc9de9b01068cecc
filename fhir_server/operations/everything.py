"""$everything of a patient, of all patients, and of an encounter: the compartment, and what its resources refer to.

https://hl7.org/fhir/R4/patient-operation-everything.html and https://hl7.org/fhir/R4/encounter-operation-everything.html
"""

from __future__ import annotations

from datetime import datetime

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.read import read
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.operations.searchset import Pair, link, searchset
from fhir_server.r4.datatypes import Interval, parse_instant_or_partial
from fhir_server.r4.definitions import COMPARTMENTS, TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search import cursor
from fhir_server.store import everything as store
from fhir_server.store.everything import Part, Wanted

NOT_CARE = ("birthdate", "death-date", "value-date")
"""Date parameters that say something else than when care was planned, given or written down."""
_KNOWN = ("start", "end", "_since", "_type", "_count", "_cursor")
_ABOUT = "$everything"


def everything(context: Context, request: OperationRequest) -> Result:
    """A searchset, page by page. Raises NOT_FOUND or GONE where the patient or encounter is not there."""
    if request.id:
        read(context, request.type, request.id)
    pairs = _pairs(context, request)
    asked = dict(pairs)
    count = _count(context, asked)
    with context.connect() as connection:
        found = store.everything(connection, context.access, _wanted(context, request, asked), count + 1)
    path = "/".join(part for part in (request.type, request.id, "$everything") if part)
    return _bundle(context, found, count, pairs, path)


def _pairs(context: Context, request: OperationRequest) -> list[Pair]:
    """What was asked, `_type` in one. Raises UNKNOWN_PARAMETER for what neither operation has."""
    names = list(dict.fromkeys(str(p.get("name")) for p in request.parameters["parameter"]))
    known = _KNOWN if request.type == "Patient" else _KNOWN[2:]
    if not context.lenient and any(name not in known for name in names):
        raise FhirError(Problem.UNKNOWN_PARAMETER, f"$everything knows {', '.join(known[:-1])}.")
    found = ((name, ",".join(map(str, request.values(name)))) for name in names if name in known)
    return [(name, text) for name, text in found if text]


def _wanted(context: Context, request: OperationRequest, asked: dict[str, str]) -> Wanted:
    types = [name for name in asked.get("_type", "").split(",") if name]
    for name in types:
        if name not in TYPE_CODE:
            raise FhirError(Problem.BAD_PARAMETER, f"_type: R4 has no resource type {name}.")
    owner = (request.type, request.id) if request.id else None
    since, start, end = (_moment(name, asked) for name in ("_since", "start", "end"))
    return Wanted(
        owner,
        linking=_linking(context) if request.type == "Encounter" else (),
        types=types,
        since=since.lo if since else None,
        care=_care(context) if start or end else (),
        start=start.lo if start else None,
        end=_end(end),
        after=_after(context, asked),
    )


def _moment(name: str, asked: dict[str, str]) -> Interval | None:
    text = asked.get(name)
    try:
        return parse_instant_or_partial(text.replace(" ", "+")) if text else None
    except ValueError:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a date such as 2024-05-03.") from None


def _end(end: Interval | None) -> datetime | None:
    """The last day counts."""
    return end.hi if end else None


def _after(context: Context, asked: dict[str, str]) -> int:
    if "_cursor" not in asked:
        return -1
    place = cursor.read(asked["_cursor"], context.service.cursor_key, _ABOUT)[-1]
    if not isinstance(place, int):
        raise FhirError(Problem.BAD_PARAMETER, "_cursor: it comes from another search.")
    return place


def _linking(context: Context) -> list[int]:
    """Parameters that put a resource into the compartment of an encounter."""
    compartments = context.service.writer.compartments
    return sorted({n for name in TYPE_CODE for n in compartments.parameters("Encounter", name)})


def _care(context: Context) -> list[int]:
    """Date parameters of the types in a patient's compartment."""
    by_type = context.service.registry.by_type
    parameters = (p for name in COMPARTMENTS["Patient"] for p in by_type.get(name, {}).values())
    dates = (p for p in parameters if p.type == "date" and p.code not in NOT_CARE)
    return sorted({number for p in dates for number in p.stored})


def _count(context: Context, asked: dict[str, str]) -> int:
    """As many as a page may have at most, where nothing is said: the operation is there to get all at once."""
    text = asked.get("_count")
    if text is None:
        return context.limits.most
    if not (text.isascii() and text.isdigit() and int(text[:9])):
        raise FhirError(Problem.BAD_PARAMETER, "_count: expected a whole number from 1.")
    return min(int(text[:9]), context.limits.most)


def _bundle(context: Context, found: list[Part], count: int, pairs: list[Pair], path: str) -> Result:
    shown = found[:count]
    links = [link(context, "self", path, pairs)]
    if len(found) > count:
        position = cursor.write((shown[-1].place,), context.service.cursor_key, _ABOUT)
        said = [pair for pair in pairs if pair[0] != "_cursor"]
        links.append(link(context, "next", path, [*said, ("_cursor", position)]))
    is_whole = len(links) == 1 and "_cursor" not in dict(pairs)
    entries = [("match" if part.is_member else "include", part.found) for part in shown]
    return searchset(context, entries, links, sum(p.is_member for p in shown) if is_whole else None)


_COMMON = (
    Parameter("_since", "in", 0, "1", "instant", "changed since"),
    Parameter("_type", "in", 0, "*", "code", "resource types, separated by commas"),
    Parameter("_count", "in", 0, "1", "integer", "resources in a page"),
    Parameter("return", "out", 1, "1", "Bundle", "searchset"),
)
OPERATION = Operation(
    "everything",
    "Everything that belongs to a patient",
    everything,
    ("Patient",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("start", "in", 0, "1", "date", "care from this day on; what has no date of care stays"),
        Parameter("end", "in", 0, "1", "date", "care up to this day"),
        *_COMMON,
    ),
)
OF_ENCOUNTER = Operation(
    "everything",
    "Everything that belongs to an encounter",
    everything,
    ("Encounter",),
    instance=True,
    parameters=_COMMON,
)

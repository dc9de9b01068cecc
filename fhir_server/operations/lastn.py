"""Observation/$lastn: the newest observations of each code, `max` of each and those of the same time.

https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.shape import shaped
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.operations.searchset import Pair, link, searchset
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search import lastn as sql
from fhir_server.search.parse import parse
from fhir_server.search.query import Query
from fhir_server.store import read as store
from fhir_server.store.read import Row, Version

ALL_INCLUDED_FROM = 1_000_000
"""Every observation of the answer counts for `_include`: there are no pages."""
_SUBJECT = ("patient", "subject")
_PAGING = ("_count", "_cursor", "_sort", "_maxresults")


def lastn(context: Context, request: OperationRequest) -> Result:
    """A searchset, newest first, in one page."""
    pairs = [pair for pair in _pairs(request) if pair[0] != "max"]
    _check(context, pairs)
    most = _most(request)
    query = replace(
        parse(context.service.registry, "Observation", pairs, limits=context.limits, lenient=context.lenient),
        count=ALL_INCLUDED_FROM,
    )
    with context.connect() as connection:
        found = sql.statement(query, context.compiler(), context.service.registry, most)
        rows = list(store.page(connection, found))
    matches = list(_newest([row for row in rows if row.mode == "match"], most))
    entries = [("match", _shown(query, row)) for row in matches]
    entries += [("include", _shown(query, row)) for row in rows if row.mode == "include"]
    said = [*query.understood, *(pair for pair in _pairs(request) if pair[0] == "max")]
    links = [link(context, "self", "Observation/$lastn", said)]
    return searchset(context, entries, links, len(matches), query.issues)


def _pairs(request: OperationRequest) -> list[Pair]:
    """The parameters as those of a search, whether they came in the query or as Parameters."""
    found = ((str(p["name"]), next((v for k, v in p.items() if k != "name"), "")) for p in _given(request))
    return [(name, _text(value)) for name, value in found]


def _given(request: OperationRequest) -> Sequence[dict[str, Any]]:
    return [p for p in request.parameters.get("parameter", ()) if isinstance(p, dict)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, dict):
        return str(value)
    if "reference" in value:
        return str(value["reference"])
    code = value.get("code", value.get("value", ""))
    return f"{value['system']}|{code}" if "system" in value else str(code)


def _check(context: Context, pairs: Sequence[Pair]) -> None:
    """What the specification says a request has, and what would cut the answer into pages."""
    names = {name.partition(":")[0].partition(".")[0] for name, value in pairs if value}
    if not names & set(_SUBJECT) and not context.access.actor.patient:
        raise FhirError(Problem.BAD_PARAMETER, "$lastn needs the parameter patient or subject.")
    if not any(name == "category" or "code" in name for name in names):
        raise FhirError(
            Problem.BAD_PARAMETER, "$lastn needs the parameter category, code, or one with a code."
        )
    if names & set(_PAGING):
        raise FhirError(
            Problem.BAD_PARAMETER, "$lastn answers newest first and in one page; max says how many of each."
        )


def _most(request: OperationRequest) -> int:
    text = str(request.value("max", 1))
    if not (text.isascii() and text.isdigit() and int(text[:9])):
        raise FhirError(Problem.BAD_PARAMETER, "max: expected a whole number from 1.")
    return min(int(text[:9]), ALL_INCLUDED_FROM)


def _newest(rows: Sequence[Row], most: int) -> Iterator[Row]:
    """The rows, and of those without a coding the newest of each text; the time of the last one that counts may occur more often."""
    times: dict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        if row.keys[0] is not None:
            yield row
            continue
        seen, at = times[_code_text(row)], row.keys[1]
        if len(seen) < most or seen[most - 1] == at:
            seen.append(at)
            yield row


def _code_text(row: Row) -> str:
    body = row.found.body if row.found else None
    code = json.decode_object(body or b"{}").get("code")
    return str(code.get("text", "")) if isinstance(code, dict) else ""


def _shown(query: Query, row: Row) -> Version:
    assert row.found is not None
    assert row.found.body is not None
    elements = query.elements if row.mode == "match" else ()
    return replace(row.found, body=shaped(row.found.body, query.summary, elements))


OPERATION = Operation(
    "lastn",
    "The newest observations of each code",
    lastn,
    ("Observation",),
    type_level=True,
    parameters=(
        Parameter("max", "in", 0, "1", "positiveInt", "how many of each code; 1 where nothing is said"),
        Parameter("patient", "in", 0, "1", "string", "whose; or subject"),
        Parameter(
            "category", "in", 0, "1", "string", "of which category; or code, or any parameter with a code"
        ),
        Parameter("return", "out", 1, "1", "Bundle", "searchset, newest first"),
    ),
    description="The other search parameters of Observation narrow the answer as they do in a search.",
)

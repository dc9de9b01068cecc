"""search: the pairs of a URL -> a searchset Bundle, put together from stored bytes.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.shape import shaped
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem, operation_outcome
from fhir_server.search import cursor, page
from fhir_server.search.parse import parse
from fhir_server.search.query import Condition, InCompartment, Query
from fhir_server.store import read as store
from fhir_server.store.read import Row

Pair = tuple[str, str]


def search(
    context: Context,
    resource_type: str,
    pairs: Sequence[Pair],
    *,
    within: Sequence[Condition] = (),
    path: str = "",
) -> Result:
    """A page of matches (of every type where `resource_type` is empty) and what they include."""
    context.access.require("search", resource_type)
    service = context.service
    query = parse(
        service.registry, resource_type, pairs, limits=context.limits, lenient=context.lenient, within=within
    )
    statement = page.statement(query, context.compiler(), service.cursor_key)
    with context.connect() as connection:
        rows = list(store.page(connection, statement))
    return Result(200, _bundle(context, query, rows, path or resource_type))


def compartment(
    context: Context, owner: tuple[str, str], resource_type: str, pairs: Sequence[Pair]
) -> Result:
    """A search within a compartment: `Patient/1/Observation?...`; without a type over all that it holds."""
    kind, logical_id = owner
    parameters: set[int] = set()
    compartments = context.service.writer.compartments
    for name in [resource_type] if resource_type else TYPE_CODE:
        parameters |= compartments.parameters(kind, name)
    if not parameters:
        raise FhirError(Problem.NOT_FOUND, f"The {kind} compartment holds no {resource_type}.")
    inside = InCompartment(kind, logical_id, tuple(sorted(parameters)))
    return search(
        context, resource_type, pairs, within=[inside], path=f"{kind}/{logical_id}/{resource_type or '*'}"
    )


def _bundle(context: Context, query: Query, rows: Sequence[Row], path: str) -> bytes:
    matches = [row for row in rows if row.mode == "match"]
    has_next = len(matches) > query.count
    kept = matches[: query.count]
    shown = kept + [row for row in rows if row.mode == "include"]
    total = next((row.rid for row in rows if row.mode == "total"), None)
    if total is None and not has_next and not query.cursor:
        total = len(kept)
    head = {"resourceType": "Bundle", "id": context.service.new_id(), "type": "searchset"}
    if total is not None:
        head["total"] = total  # type: ignore[assignment]
    head["link"] = _links(context, query, kept, has_next, path)  # type: ignore[assignment]
    entries = [_entry(context, query, row) for row in shown] + _outcome_entry(query)
    text = json.encode(head)
    return text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text


def _entry(context: Context, query: Query, row: Row) -> bytes:
    found = row.found
    assert found is not None
    assert found.body is not None
    url = f"{context.base}/{found.type}/{found.id}".encode()
    body = shaped(found.body, query.summary, query.elements if row.mode == "match" else ())
    return b'{"fullUrl":"%s","resource":%s,"search":{"mode":"%s"}}' % (url, body, row.mode.encode())


def _outcome_entry(query: Query) -> list[bytes]:
    """What was ignored is said in the Bundle."""
    if not query.issues:
        return []
    return [json.encode({"resource": operation_outcome(query.issues), "search": {"mode": "outcome"}})]


def _links(
    context: Context, query: Query, kept: Sequence[Row], has_next: bool, path: str
) -> list[dict[str, str]]:
    said = [pair for pair in query.understood if pair[0] != "_cursor"]
    found = [_link(context, "self", path, [*said, *_at(query.cursor)])]
    if query.cursor or has_next:
        found.append(_link(context, "first", path, said))
    if has_next and kept:
        last = kept[-1]
        position = cursor.write((*last.keys, last.rid), context.service.cursor_key)
        found.append(_link(context, "next", path, [*said, *_at(position)]))
    return found


def _at(position: str) -> list[Pair]:
    return [("_cursor", position)] if position else []


def _link(context: Context, relation: str, path: str, pairs: Sequence[Pair]) -> dict[str, str]:
    query = urlencode(pairs, quote_via=quote, safe=":/|,$*")
    return {
        "relation": relation,
        "url": f"{context.base}/{path}".rstrip("/") + (f"?{query}" if query else ""),
    }

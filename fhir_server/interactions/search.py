"""search: the pairs of a URL -> a searchset Bundle, put together from stored bytes.

https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from fhir_server.interactions import telling
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.paging import Links
from fhir_server.interactions.shape import shaped
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE, TYPE_NAME
from fhir_server.r4.outcome import FhirError, Problem, operation_outcome
from fhir_server.search import page
from fhir_server.search.cursor import Cursor
from fhir_server.search.parse import parse
from fhir_server.search.query import Condition, InCompartment, Query
from fhir_server.store import read as store
from fhir_server.store.read import Row, Version

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
    query = _parsed(context, resource_type, pairs, within)
    if names_audit_events(resource_type, pairs):
        telling.catch_up(service)
    at = Cursor.of(query.cursor, service.cursor_key, query.order) if query.cursor else None
    with context.connect() as connection:
        asked, by_value = page.statement(query, context.compiler(), at), page.depends_on_value(query)
        rows = list(store.page(connection, asked, by_value=by_value))
        if query.total == "estimate" and any(r.mode == "total" and r.rid > page.COUNTED for r in rows):
            expected = store.expected_rows(connection, page.guess(query, context.compiler()))
            rows = [replace(r, rid=max(r.rid, expected)) if r.mode == "total" else r for r in rows]
        shown = [(row.found.rid, row.found.version) for row in rows if row.found]
        context.record("search", path or resource_type, urlencode(pairs), shown)
    return Result(200, _bundle(context, query, rows, Links(context, query, path or resource_type, at)))


def names_audit_events(resource_type: str, pairs: Sequence[Pair]) -> bool:
    """Whether the answer could hold AuditEvents: then those that are not told yet come first."""
    return resource_type == "AuditEvent" or any(
        "AuditEvent" in name or "AuditEvent" in text for name, text in pairs
    )


def _parsed(
    context: Context, resource_type: str, pairs: Sequence[Pair], within: Sequence[Condition]
) -> Query:
    """The Query; what is not known here may have been stored through another process a moment ago."""

    def attempt() -> Query:
        registry, limits = context.service.registry, context.limits
        return parse(registry, resource_type, pairs, limits=limits, lenient=context.lenient, within=within)

    try:
        query = attempt()
    except FhirError as error:
        if error.problem is not Problem.UNKNOWN_PARAMETER or not context.service.parameters.look():
            raise
        return attempt()
    return attempt() if query.issues and context.service.parameters.look() else query


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


def _bundle(context: Context, query: Query, rows: Sequence[Row], links: Links) -> bytes:
    matches = [row for row in rows if row.mode == "match"]
    kept = links.kept(matches)
    shown = kept + [row for row in rows if row.mode == "include"]
    total = next((row.rid for row in rows if row.mode == "total"), None)
    if total is None and len(matches) == len(kept) and not query.cursor and query.count:
        total = len(kept)
    head = {"resourceType": "Bundle", "id": context.service.new_id(), "type": "searchset"}
    if total is not None:
        head["total"] = total  # type: ignore[assignment]
    head["link"] = links.of(kept, len(matches) > len(kept))  # type: ignore[assignment]
    entries = [_entry(context, query, row) for row in shown] + _outcome_entry(query)
    text = json.encode(head)
    return text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text


def _entry(context: Context, query: Query, row: Row) -> bytes:
    found = row.found
    assert found is not None
    name, body = _named(found)
    url = f"{context.base}/{name}".encode()
    body = shaped(body, query.summary, query.elements if row.mode == "match" else ())
    return b'{"fullUrl":"%s","resource":%s,"search":%s}' % (url, body, _role(query, row))


def _role(query: Query, row: Row) -> bytes:
    """Bundle.entry.search: a ranked match says how well it fits."""
    scored = [n for n, sort in enumerate(query.sort) if sort.code == "_score"] if query.ranked else []
    if not scored or row.mode != "match":
        return b'{"mode":"%s"}' % row.mode.encode()
    return json.encode({"mode": row.mode, "score": round(float(row.keys[scored[0]] or 0), 6)})


def _named(found: Version) -> tuple[str, bytes]:
    """Type and id, and the body; of a contained resource (`number of the type/id#inner`) its container's name and its own body."""
    assert found.body is not None
    container, is_inside, inner = found.id.partition("#")
    if not is_inside:
        return f"{found.type}/{found.id}", found.body
    kind, _, logical_id = container.partition("/")
    inside = json.decode_object(found.body)["contained"]
    resource = next(r for r in inside if r.get("id") == inner and r.get("resourceType") == found.type)
    return f"{TYPE_NAME[int(kind)]}/{logical_id}#{inner}", json.encode(resource)


def _outcome_entry(query: Query) -> list[bytes]:
    """What was ignored is said in the Bundle."""
    if not query.issues:
        return []
    return [json.encode({"resource": operation_outcome(query.issues), "search": {"mode": "outcome"}})]

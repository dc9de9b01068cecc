"""transaction: all entries of a Bundle, or none.

DELETE, then POST, then PUT and PATCH, then GET; references between entries and conditional references are rewritten before anything
is written; the answer lists the entries in the order of the request. https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fhir_server.interactions import batch, conditional, patch
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.entries import Entry
from fhir_server.interactions.links import Links
from fhir_server.interactions.read import read
from fhir_server.interactions.writing import again, check_id, checked, result_of
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import Write

WRITING = {"DELETE": "delete", "POST": "create", "PUT": "update", "PATCH": "patch"}


def transaction(context: Context, entries: Sequence[Entry], *, known_content: bool = False) -> list[Result]:
    """One Result an entry, in the order of the entries. Raises FhirError whose expression names the entry.

    `known_content`: an update whose content any earlier version had is no update (loading the same source again).
    """
    for entry in entries:
        if entry.method in WRITING and not entry.tail.startswith("$") and not entry.type.startswith("$"):
            context.access.require(WRITING[entry.method], entry.type)
    return again(context, lambda: _attempt(context, entries, known_content))


def _attempt(context: Context, entries: Sequence[Entry], known_content: bool) -> list[Result]:
    with context.transaction() as inside:
        results: dict[int, Result] = {}
        _delete(inside, [e for e in entries if e.method == "DELETE"], results)
        _write(inside, [e for e in entries if e.method in ("POST", "PUT", "PATCH")], results, known_content)
        for entry in entries:
            if entry.number not in results:
                results[entry.number] = _named(entry, partial(batch.answer, inside, entry))
        return [results[entry.number] for entry in entries]


def _named(entry: Entry, act: Callable[[], Any]) -> Any:
    """Whatever fails in the entry names it."""
    try:
        return act()
    except FhirError as error:
        within = f"{entry.place}.resource" if error.problem is Problem.INVALID else entry.place
        raise _placed(error, within, entry) from None


def _placed(error: FhirError, within: str, entry: Entry) -> FhirError:
    if any(issue.expression.startswith("Bundle.entry") for issue in error.issues):
        return error
    return error.within(within)


def _delete(context: Context, entries: Sequence[Entry], results: dict[int, Result]) -> None:
    writes: list[Write] = []
    for entry in entries:
        ids = _named(entry, partial(_deleted_ids, context, entry))
        own = [
            Write(entry.type, logical_id, None, if_match=entry.if_match, place=entry.place)
            for logical_id in ids
        ]
        writes += own
        results[entry.number] = Result(204, type=entry.type, id=entry.id)
    _refuse_overlap(writes)
    if writes:
        assert context.connection is not None
        context.apply(context.connection, writes)


def _deleted_ids(context: Context, entry: Entry) -> list[str]:
    if entry.id:
        context.require_visible(entry.type, entry.id)
        return [entry.id]
    return conditional.matches(context, entry.type, entry.query, at_most=1)


def _write(
    context: Context, entries: Sequence[Entry], results: dict[int, Result], known_content: bool
) -> None:
    """Give every entry its identity, then write them together."""
    links = Links(context)
    planned: list[tuple[Entry, Write]] = []
    for entry in entries:
        if entry.tail.startswith("$") or entry.type.startswith("$") or entry.id == "_search":
            continue
        write = _named(entry, partial(_identity, context, entry, results))
        if write is not None:
            write.known_content = known_content
            planned.append((entry, write))
            links.add(entry.full_url, write.type, write.id)
        elif entry.number in results:
            links.add(entry.full_url, entry.type, results[entry.number].id)
    _refuse_overlap([write for _, write in planned])
    links.find_conditional(entry.raw for entry, _ in planned)
    for entry, write in planned:
        write.resource = _named(entry, partial(_resource, context, entry, write, links))
    if planned:
        assert context.connection is not None
        context.apply(context.connection, [write for _, write in planned])
    for entry, write in planned:
        results[entry.number] = result_of(write)


def _identity(context: Context, entry: Entry, results: dict[int, Result]) -> Write | None:
    """What the entry writes to; None where a conditional create found its match (the result is then there)."""
    if entry.method == "POST":
        return _created(context, entry, results)
    if entry.id:
        context.require_visible(entry.type, check_id(entry.id))
        return Write(entry.type, entry.id, None, if_match=entry.if_match, place=entry.place)
    found = conditional.one_match(context, entry.type, entry.query)
    if not found and entry.method == "PATCH":
        raise FhirError(Problem.NOT_FOUND, "Nothing matches the condition.", f"{entry.place}.request.url")
    given = found or str(entry.resource().get("id") or context.service.new_id())
    return Write(entry.type, check_id(given), None, if_match=entry.if_match, place=entry.place)


def _created(context: Context, entry: Entry, results: dict[int, Result]) -> Write | None:
    if entry.id:
        raise FhirError(
            Problem.BAD_REQUEST, "A create goes to the type's address.", f"{entry.place}.request.url"
        )
    if entry.if_none_exist:
        found = conditional.one_match(context, entry.type, entry.if_none_exist)
        if found:
            results[entry.number] = read(context, entry.type, found)
            return None
    return Write(entry.type, context.service.new_id(), None, is_new=True, place=entry.place)


def _resource(context: Context, entry: Entry, write: Write, links: Links) -> dict[str, Any]:
    if entry.method == "PATCH":
        return patch.patched(context, write.type, write.id, entry.resource())
    resource = entry.resource()
    if entry.method == "PUT" and entry.id and resource.get("id") != entry.id:
        raise FhirError(
            Problem.BAD_REQUEST,
            "The resource's id has to be the id in request.url.",
            f"{entry.place}.resource.id",
        )
    links.rewrite(resource, entry.place)
    return checked(resource, write.type)


def _refuse_overlap(writes: Sequence[Write]) -> None:
    seen: set[tuple[str, str]] = set()
    for write in writes:
        if (write.type, write.id) in seen:
            raise FhirError(
                Problem.BAD_REQUEST, "Another entry of this transaction names the same resource.", write.place
            )
        seen.add((write.type, write.id))

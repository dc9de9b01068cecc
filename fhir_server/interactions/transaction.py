"""transaction: all entries of a Bundle, or none.

DELETE, then POST, then PUT and PATCH, then GET; references between entries and conditional references are rewritten before anything
is written; the answer lists the entries in the order of the request. https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from fhir_server.interactions import batch, conditional, patch
from fhir_server.interactions.batch import named
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.delete import matching
from fhir_server.interactions.entries import Entry
from fhir_server.interactions.links import Links, conditional_texts
from fhir_server.interactions.read import read
from fhir_server.interactions.writing import again, check_id, checked, keep_profiles, result_of
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.database import plan_by_value
from fhir_server.store.write import Write

WRITING = {"DELETE": "delete", "POST": "create", "PUT": "update", "PATCH": "patch"}


AT_ONCE = 4_000_000
"""Bytes of resources that are trees in memory at the same time; of what has been written only the answer is kept."""


def transaction(
    context: Context, entries: Sequence[Entry], *, known_content: bool = False, with_bodies: bool = False
) -> list[Result]:
    """One Result an entry, in the order of the entries. Raises FhirError whose expression names the entry.

    `known_content`: an update whose content any earlier version had is no update (loading the same source again).
    `with_bodies`: the Results of writes carry the resources.
    """
    for entry in entries:
        if entry.refusal:
            raise entry.refusal
        if entry.is_write:
            context.access.require(WRITING[entry.method], entry.type)
    _refuse_same_full_url(entries)
    return again(context, lambda: _attempt(context, entries, known_content, with_bodies))


def _attempt(
    context: Context, entries: Sequence[Entry], known_content: bool, with_bodies: bool
) -> list[Result]:
    with context.transaction() as inside:
        assert inside.connection is not None
        conditional.lock(inside.connection, _conditions(entries))
        results: dict[int, Result] = {}
        gone = _delete(inside, [e for e in entries if e.method == "DELETE"], results)
        writing = [e for e in entries if e.is_write and e.method != "DELETE"]
        plan = _Plan(Links(inside), known_content=known_content, with_bodies=with_bodies)
        _write(inside, writing, results, gone, plan)
        reading = [entry for entry in entries if entry.number not in results]
        if reading:
            plan_by_value(inside.connection)
        for entry in reading:
            results[entry.number] = named(entry, partial(batch.answer, inside, _linked(entry, plan.links)))
        return [results[entry.number] for entry in entries]


def _conditions(entries: Sequence[Entry]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The conditions of all entries: they are locked together, before any row is."""
    for entry in entries:
        if entry.criteria:
            yield entry.type, named(entry, partial(conditional.criteria_pairs, entry.criteria))


def _delete(context: Context, entries: Sequence[Entry], results: dict[int, Result]) -> list[Write]:
    writes: list[Write] = []
    for entry in entries:
        ids = named(entry, partial(_deleted_ids, context, entry))
        own = [
            Write(entry.type, logical_id, None, if_match=entry.if_match, place=entry.place)
            for logical_id in ids
        ]
        writes += own
        results[entry.number] = Result(204, type=entry.type, id=entry.id, changed=bool(ids))
    _refuse_overlap(writes)
    if writes:
        assert context.connection is not None
        context.apply(context.connection, writes)
    return writes


def _deleted_ids(context: Context, entry: Entry) -> list[str]:
    if entry.id:
        return [entry.id] if context.reaches(entry.type, entry.id) else []
    return matching(context, entry.type, entry.query)


@dataclass(slots=True)
class _Plan:
    """What the entries will write; `same`: of a conditional create, the earlier entry with the same condition."""

    links: Links
    writes: list[tuple[Entry, Write]] = field(default_factory=list)
    by_condition: dict[tuple[str, str], Write] = field(default_factory=dict)
    same: list[tuple[Entry, Write]] = field(default_factory=list)
    known_content: bool = False
    with_bodies: bool = False


def _write(
    context: Context, entries: Sequence[Entry], results: dict[int, Result], gone: Sequence[Write], plan: _Plan
) -> None:
    """Give every entry its identity, then write them together: creates first, as their conditions may decide for updates."""
    for entry in sorted(entries, key=lambda e: e.method != "POST"):
        _identify(context, entry, plan, results)
    plan.writes.sort(key=lambda pair: pair[0].number)
    _refuse_overlap([*gone, *(write for _, write in plan.writes)])
    asked = {entry.number: conditional_texts(entry.raw) for entry, _ in plan.writes}
    waiting = _waiting(context, plan, asked)
    for number, part in enumerate(_parts(context, plan, waiting)):
        for _, write in part if number else ():
            write.is_new = False  # what was written before may refer to it, and so has kept a place for it
        _store(context, plan, part, asked)
    for entry, write in plan.writes:
        results[entry.number] = result_of(write)
    for entry, write in plan.same:
        results[entry.number] = replace(result_of(write, 200), is_write=False, changed=False)


def _waiting(context: Context, plan: _Plan, asked: dict[int, set[str]]) -> set[int]:
    """Entries whose conditional references may mean what other entries write: those are resolved last (step 5 of the rules).

    Where every reference has to lead to something that is there, all are written at once, and conditional references find what was there before."""
    if context.service.settings.references == "enforce":
        return set()
    written = {write.type for _, write in plan.writes}
    return {number for number, texts in asked.items() if written & {t.partition("?")[0] for t in texts}}


def _parts(context: Context, plan: _Plan, waiting: set[int]) -> Iterator[list[tuple[Entry, Write]]]:
    """What is written together: those that wait come last, and no part is larger than AT_ONCE (unless references are enforced)."""
    is_whole = context.service.settings.references == "enforce"
    for is_waiting in (False, True):
        part: list[tuple[Entry, Write]] = []
        size = 0
        for entry, write in plan.writes:
            if (entry.number in waiting) is not is_waiting:
                continue
            part.append((entry, write))
            size += memoryview(entry.raw).nbytes if entry.raw is not None else 0
            if size > AT_ONCE and not is_whole:
                yield part
                part, size = [], 0
        if part:
            yield part


def _store(
    context: Context,
    plan: _Plan,
    writes: Sequence[tuple[Entry, Write]],
    asked: dict[int, set[str]],
) -> None:
    """Resolve, check and write these, and let go of what no answer shows."""
    plan.links.find({text for entry, _ in writes for text in asked[entry.number]})
    for entry, write in writes:
        write.resource = named(entry, partial(_resource, context, entry, write, plan.links))
        write.known_content = plan.known_content
        named(entry, partial(_keep_profiles, context, entry, write))
    assert context.connection is not None
    context.apply(context.connection, [write for _, write in writes])
    shown = {id(write) for _, write in plan.same}
    for _, write in writes:
        write.resource = None
        if not plan.with_bodies and id(write) not in shown:
            write.body = None


def _linked(entry: Entry, links: Links) -> Entry:
    """What an operation is given speaks of the other entries by their fullUrl, like any resource of the Bundle."""
    if entry.raw is None or not entry.is_operation:
        return entry
    resource = entry.resource()
    links.find(conditional_texts(entry.raw))
    named(entry, partial(links.rewrite, resource, entry.place))
    return replace(entry, raw=msgspec.Raw(json.encode(resource)))


def _identify(context: Context, entry: Entry, plan: _Plan, results: dict[int, Result]) -> None:
    condition = (entry.type, entry.criteria)
    earlier = plan.by_condition.get(condition) if entry.criteria else None
    if earlier is not None and entry.method != "POST":
        raise _overlap(entry.place)
    if earlier is not None:
        plan.same.append((entry, earlier))
        plan.links.add(entry.full_url, earlier.type, earlier.id)
        return
    write = named(entry, partial(_identity, context, entry, results))
    if write is None:
        plan.links.add(entry.full_url, entry.type, results[entry.number].id)
        return
    plan.writes.append((entry, write))
    plan.links.add(entry.full_url, write.type, write.id)
    if entry.criteria:
        plan.by_condition[condition] = write


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
    given = "" if entry.method == "PATCH" else str(entry.resource().get("id") or "")
    if found and given and given != found:
        raise FhirError(
            Problem.BAD_REQUEST,
            "The resource's id is not the id of the match.",
            f"{entry.place}.resource.id",
        )
    if given and not found:
        context.require_visible(entry.type, check_id(given))
    named_id = found or given or context.service.new_id()
    return Write(entry.type, check_id(named_id), None, if_match=entry.if_match, place=entry.place)


def _created(context: Context, entry: Entry, results: dict[int, Result]) -> Write | None:
    if entry.if_none_exist:
        found = conditional.one_match(context, entry.type, entry.if_none_exist)
        if found:
            results[entry.number] = read(context, entry.type, found)
            return None
    return Write(entry.type, context.service.new_id(), None, is_new=True, place=entry.place)


def _resource(context: Context, entry: Entry, write: Write, links: Links) -> dict[str, Any]:
    if entry.method == "PATCH":
        changed = patch.patched(context, write.type, write.id, entry.resource())
        links.rewrite(changed, entry.place)
        return changed
    resource = entry.resource()
    if entry.method == "PUT" and entry.id and resource.get("id") != entry.id:
        raise FhirError(
            Problem.BAD_REQUEST,
            "The resource's id has to be the id in request.url.",
            f"{entry.place}.resource.id",
        )
    links.rewrite(resource, entry.place)
    return checked(resource, write.type)


def _keep_profiles(context: Context, entry: Entry, write: Write) -> None:
    try:
        keep_profiles(context, write)
    except FhirError as error:
        raise error.within(f"{entry.place}.resource") from None


def _refuse_overlap(writes: Sequence[Write]) -> None:
    seen: set[tuple[str, str]] = set()
    for write in writes:
        if (write.type, write.id) in seen:
            raise _overlap(write.place)
        seen.add((write.type, write.id))


def _overlap(place: str) -> FhirError:
    return FhirError(Problem.BAD_REQUEST, "Another entry of this transaction names the same resource.", place)


def _refuse_same_full_url(entries: Sequence[Entry]) -> None:
    """A reference to it would have two meanings. https://hl7.org/fhir/R4/bundle.html#bundle-unique"""
    seen: set[str] = set()
    for entry in entries:
        if entry.full_url and entry.is_write:
            if entry.full_url in seen:
                text = "Another entry of this transaction has the same fullUrl."
                raise FhirError(Problem.BAD_REQUEST, text, f"{entry.place}.fullUrl")
            seen.add(entry.full_url)

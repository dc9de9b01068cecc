"""batch: each entry for itself; one that fails says so in its own response.

`answer` is also how a transaction carries out its reads and operations. https://hl7.org/fhir/R4/http.html#brules
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qsl

from fhir_server.interactions import capabilities, create, delete, patch, read, search, update
from fhir_server.interactions.calling import call_entry
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.entries import Entry
from fhir_server.interactions.headers import is_unmodified
from fhir_server.interactions.history import history
from fhir_server.r4.outcome import FhirError, Problem

Pair = tuple[str, str]
Answer = TypeVar("Answer")


def batch(context: Context, entries: Sequence[Entry]) -> list[Result]:
    """One Result an entry, failures included."""
    return [_safe(context, entry) for entry in entries]


def _safe(context: Context, entry: Entry) -> Result:
    try:
        return named(entry, partial(answer, context, entry))
    except FhirError as error:
        what = "/".join(part for part in (entry.type, entry.id, entry.tail) if part)
        context.record(DONE[entry.method], what, entry.query, status=error.problem.status)
        return Result(error.problem.status, outcome=error.as_outcome())


def named(entry: Entry, act: Callable[[], Answer]) -> Answer:
    """Whatever fails in the entry names it, and the element of its resource."""
    try:
        return act()
    except FhirError as error:
        if any(issue.expression.startswith(entry.place) for issue in error.issues):
            raise
        is_inside = error.problem in (Problem.INVALID, Problem.NOT_PROCESSABLE) or any(
            issue.expression for issue in error.issues
        )
        raise error.within(f"{entry.place}.resource" if is_inside else entry.place) from None


def answer(context: Context, entry: Entry) -> Result:
    """Carry out one entry. Raises FhirError."""
    if entry.refusal:
        raise entry.refusal
    found = call_entry(context, entry) if entry.is_operation else _ANSWERS[entry.method](context, entry)
    return replace(found, body=None) if entry.method == "HEAD" else found


def _get(context: Context, entry: Entry) -> Result:
    if entry.type == "metadata":
        return capabilities.capabilities(context)
    if entry.type == "_history":
        return history(context, "", "", _pairs(entry))
    if entry.id == "_history":
        return history(context, entry.type, "", _pairs(entry))
    if not entry.id or entry.id == "_search":
        return search.search(context, entry.type, _pairs(entry))
    if entry.tail == "_history":
        return history(context, entry.type, entry.id, _pairs(entry))
    if entry.tail.startswith("_history/"):
        return read.vread(context, entry.type, entry.id, entry.tail.removeprefix("_history/"))
    if entry.tail:
        return search.compartment(
            context, (entry.type, entry.id), entry.tail.removeprefix("*"), _pairs(entry)
        )
    return _read(context, entry)


def _read(context: Context, entry: Entry) -> Result:
    found = read.read(context, entry.type, entry.id)
    if is_unmodified(found.version, found.last_updated, entry.if_none_match, entry.if_modified_since):
        return Result(304, None, found.type, found.id, found.version, found.last_updated)
    return found


def _pairs(entry: Entry) -> list[Pair]:
    return parse_qsl(entry.query, keep_blank_values=True)


def _post(context: Context, entry: Entry) -> Result:
    if entry.id == "_search":
        return search.search(context, entry.type, _pairs(entry))
    return create.create(context, entry.type, entry.resource(), entry.if_none_exist)


def _put(context: Context, entry: Entry) -> Result:
    if entry.id:
        return update.update(context, entry.type, entry.id, entry.resource(), entry.if_match)
    return update.conditional_update(context, entry.type, entry.query, entry.resource(), entry.if_match)


def _delete(context: Context, entry: Entry) -> Result:
    if entry.id:
        return delete.delete(context, entry.type, entry.id, entry.if_match)
    return delete.conditional_delete(context, entry.type, entry.query)


def _patch(context: Context, entry: Entry) -> Result:
    return patch.patch(context, entry.type, entry.id, entry.query, entry.resource(), entry.if_match)


DONE = {
    "GET": "read",
    "HEAD": "read",
    "POST": "create",
    "PUT": "update",
    "DELETE": "delete",
    "PATCH": "patch",
    "": "batch",
}
"""How an entry that failed is told in the audit log."""
_ANSWERS = {"GET": _get, "HEAD": _get, "POST": _post, "PUT": _put, "DELETE": _delete, "PATCH": _patch}

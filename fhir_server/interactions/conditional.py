"""Conditions of conditional interactions: `identifier=http://x|1` -> the ids that match.

Race-safe by construction: before it looks, a transaction takes an advisory lock on each value that it looks for, and keeps it to
its end. Whoever comes second with the same criteria waits, and then sees what the first one made.
https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from psycopg import Connection

from fhir_server.interactions.context import Context
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.compile import Compiler
from fhir_server.search.page import matching
from fhir_server.search.parse import parse

_LOCK = "SELECT pg_advisory_xact_lock(k) FROM (SELECT hashtextextended(t, 0) AS k FROM unnest(%s::text[]) AS t ORDER BY 1) s"


def one_match(context: Context, resource_type: str, criteria: str) -> str:
    """The id of the only match, or nothing. Raises MULTIPLE_MATCHES."""
    found = matches(context, resource_type, criteria, at_most=1)
    return found[0] if found else ""


def matches(context: Context, resource_type: str, criteria: str, at_most: int | None) -> list[str]:
    """The ids of all matches; MULTIPLE_MATCHES where there are more than `at_most`. Needs the running transaction."""
    assert context.connection is not None
    pairs = criteria_pairs(criteria)
    lock(context.connection, [(resource_type, pairs)])
    found = _search(
        context.connection, context, resource_type, pairs, 1000 if at_most is None else at_most + 1
    )
    if at_most is not None and len(found) > at_most:
        several = "one" if at_most == 1 else str(at_most)
        raise FhirError(
            Problem.MULTIPLE_MATCHES, f"More than {several} {resource_type} matches the condition."
        )
    return found


def criteria_pairs(criteria: str) -> list[tuple[str, str]]:
    """The (name, value) pairs; a condition has to have one at least."""
    pairs = [
        (n, v)
        for n, v in parse_qsl(criteria.lstrip("?"), keep_blank_values=True)
        if n not in ("_format", "_pretty")
    ]
    if not any(value for _, value in pairs):
        raise FhirError(Problem.PRECONDITION_FAILED, "A condition needs a search parameter with a value.")
    return pairs


def lock(connection: Connection[Any], conditions: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> None:
    """Wait for, and keep out, everybody with a condition on one of these values (resource type, pairs).

    The key leaves the system out: `identifier=a|1` and `identifier=1` may mean the same resource. All keys are taken in their order, so
    that two who need the same ones wait for each other only once.
    """
    keys = {
        f"{resource_type}?{name.partition(':')[0]}={part.rpartition('|')[2]}"
        for resource_type, pairs in conditions
        for name, value in pairs
        for part in value.split(",")
    }
    if keys:
        connection.execute(_LOCK, (sorted(keys),))


def _search(
    connection: Connection[Any],
    context: Context,
    resource_type: str,
    pairs: Sequence[tuple[str, str]],
    limit: int,
) -> list[str]:
    query = parse(context.service.registry, resource_type, pairs, limits=context.limits)
    compiler: Compiler = context.compiler()
    where = matching(query, compiler)
    text = f"SELECT r.id FROM resource r WHERE {where.text} ORDER BY r.rid LIMIT %s"
    return [logical_id for (logical_id,) in connection.execute(text, (*where.values, limit)).fetchall()]

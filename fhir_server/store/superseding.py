"""Superseding: a version that is there goes to the history, and what was derived from it goes away, in one statement.

Derived are the index rows, what the resource contains, its compartments, and the rows of the hooks' tables (hooks.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from psycopg import Connection

from fhir_server.store.rows import INDEX_TABLES

# Every part sees the rows as they were before the statement. https://www.postgresql.org/docs/current/queries-with.html
_GONE = "gone AS (DELETE FROM contained WHERE container = ANY(%(rids)s::bigint[]) RETURNING rid)"
_THESE = "ANY(%(rids)s::bigint[] || ARRAY(SELECT rid FROM gone))"
_KEPT = """
kept AS (INSERT INTO history (rid, version, last_updated, patients, labels, body)
    SELECT rid, version, last_updated, patients, labels, body FROM resource WHERE rid = ANY(%(rids)s::bigint[]) AND version > 0)
"""
_LEFT = """
departed AS (DELETE FROM compartment c USING unnest(%(left)s::bigint[], %(leaving)s::bigint[]) AS u (patient, rid)
    WHERE c.patient = u.patient AND c.rid = u.rid)
"""
_LEFT_ALL = "departed AS (DELETE FROM compartment WHERE rid = ANY(%(rids)s::bigint[]))"
_REPLACE = """
UPDATE resource r SET version = u.version, last_updated = u.last_updated, patients = u.patients::bigint[], draft = u.draft,
    labels = u.labels, narrative = u.narrative, content = u.content, body = u.body
FROM unnest(%(rids)s::bigint[], %(version)s::integer[], %(last_updated)s::timestamptz[], %(patients)s::text[], %(draft)s::boolean[],
    %(labels)s::smallint[], %(narrative)s::bigint[], %(content)s::bigint[], %(body)s::bytea[])
    AS u (rid, version, last_updated, patients, draft, labels, narrative, content, body)
WHERE r.rid = u.rid
"""
_COLUMNS = (
    "rid",
    "type",
    "id",
    "version",
    "last_updated",
    "patients",
    "draft",
    "labels",
    "narrative",
    "content",
    "body",
)


def supersede(
    connection: Connection[Any],
    rows: Sequence[tuple[Any, ...]],
    left: Iterable[tuple[int, int]],
    tables: tuple[str, ...],
) -> None:
    """Replace rows of `resource` by these (columns as in rows.py). `left`: (patient, rid) of the compartments of before."""
    if not rows:
        return
    values: dict[str, Any] = {
        name: list(column) for name, column in zip(_COLUMNS, zip(*rows, strict=True), strict=True)
    }
    values["patients"] = [_array(patients) for patients in values["patients"]]
    pairs = list(left)
    values |= {
        "rids": _array(values["rid"]),
        "left": _array(patient for patient, _ in pairs),
        "leaving": _array(rid for _, rid in pairs),
    }
    connection.execute(_superseding(tables), values)


def forget_derived(connection: Connection[Any], rids: Iterable[int], tables: tuple[str, ...]) -> None:
    """Remove everything that was derived from these resources; they themselves stay."""
    connection.execute(_forgetting(tables), {"rids": _array(rids)})


@cache
def _superseding(tables: tuple[str, ...]) -> str:
    return f"WITH {', '.join([*_without(tables), _KEPT, _LEFT])} {_REPLACE}"


@cache
def _forgetting(tables: tuple[str, ...]) -> str:
    return f"WITH {', '.join([*_without(tables), _LEFT_ALL])} SELECT"


def _without(tables: tuple[str, ...]) -> list[str]:
    return [
        _GONE,
        *(f"d{n} AS (DELETE FROM {t} WHERE rid = {_THESE})" for n, t in enumerate((*INDEX_TABLES, *tables))),
    ]


def _array(numbers: Iterable[int]) -> str:
    """As a Postgres array literal: one type for all sizes of numbers, so that the statement stays prepared."""
    return "{" + ",".join(map(str, numbers)) + "}"

"""Reading: single versions, histories and pages, each under an Access.

What may not be read looks exactly like what is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.access.decide import Access
from fhir_server.r4.definitions import TYPE_CODE, TYPE_NAME
from fhir_server.sql import Fragment
from fhir_server.store.bodies import decompress


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource; `body` is None where that version is its deletion."""

    rid: int
    type: str
    id: str
    version: int
    last_updated: datetime
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a page: `mode` is match, include or total (then `rid` is the count)."""

    mode: str
    rid: int
    found: Version | None
    keys: tuple[str | None, ...] = ()


def current(
    connection: Connection[Any], access: Access, resource_type: str, logical_id: str
) -> Version | None:
    """The current version, or None. Index: resource_identity."""
    allowed = access.on("r")
    query = (
        "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.body FROM resource r"
        f" WHERE r.type = %s AND r.id = %s AND r.version > 0 AND ({allowed.text})"
    )
    values = (TYPE_CODE[resource_type], logical_id, *allowed.values)
    row = connection.execute(query, values).fetchone()
    return version_of(row) if row else None


def several(connection: Connection[Any], access: Access, wanted: Sequence[tuple[str, str]]) -> list[Version]:
    """The current versions of those (type, id) that are there, in this order. Index: resource_identity."""
    allowed = access.on("r")
    query = (
        "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.body"
        " FROM unnest(%s::smallint[], %s::text[]) WITH ORDINALITY AS u (type, id, place)"
        " JOIN resource r ON r.type = u.type AND r.id = u.id"
        f" WHERE r.body IS NOT NULL AND ({allowed.text}) ORDER BY u.place"
    )
    columns = ([TYPE_CODE[kind] for kind, _ in wanted], [logical_id for _, logical_id in wanted])
    return [version_of(row) for row in connection.execute(query, (*columns, *allowed.values)).fetchall()]


def versions(
    connection: Connection[Any],
    access: Access,
    where: Fragment,
    *,
    newest_first: bool = True,
    limit: int = 1000,
) -> list[Version]:
    """Versions of any resources, current and superseded; `where` speaks of the columns of `v`.

    Access is decided on the current row as well as on the version's own patients, so a resource that left a compartment takes
    its history along.
    """
    found, order = _versions(access, where), "DESC" if newest_first else "ASC"
    query = (
        f"SELECT v.rid, v.type, v.id, v.version, v.last_updated, v.body FROM {found.text}"
        f" ORDER BY v.last_updated {order}, v.rid {order}, v.version {order} LIMIT %s"
    )
    return [version_of(row) for row in connection.execute(query, (*found.values, limit)).fetchall()]


def count_versions(connection: Connection[Any], access: Access, where: Fragment) -> int:
    """How many `versions` would find without a limit."""
    found = _versions(access, where)
    row = connection.execute(f"SELECT count(*) FROM {found.text}", found.values).fetchone()
    return int(row[0]) if row else 0


def _versions(access: Access, where: Fragment) -> Fragment:
    """FROM and WHERE."""
    allowed, superseded = access.on("r"), access.on_history("v")
    text = (
        "(SELECT rid, type, id, version, last_updated, patients, labels, body FROM resource WHERE version > 0 UNION ALL "
        "SELECT h.rid, (h.rid >> 40)::smallint, o.id, h.version, h.last_updated, h.patients, h.labels, h.body"
        " FROM history h JOIN resource o ON o.rid = h.rid"
        f") v JOIN resource r ON r.rid = v.rid WHERE ({where.text}) AND ({allowed.text})"
        f" AND (v.version = r.version OR ({superseded.text}))"
    )
    return Fragment(text, (*where.values, *allowed.values, *superseded.values))


def current_bodies(
    connection: Connection[Any], access: Access, types: Sequence[str] = ()
) -> Iterator[tuple[str, bytes]]:
    """Type and body of every current resource (of these types alone), streamed by a cursor of the server's."""
    allowed = access.on("r")
    codes = [TYPE_CODE[name] for name in types or TYPE_CODE]
    query = (
        "SELECT r.type, r.body FROM resource r WHERE r.body IS NOT NULL AND r.type = ANY(%s)"
        f" AND ({allowed.text}) ORDER BY r.rid"
    )
    with connection.cursor("current_bodies") as cursor:
        for kind, frame in cursor.execute(query, (codes, *allowed.values)):
            yield TYPE_NAME[kind], decompress(frame)


def page(connection: Connection[Any], statement: Fragment, *, by_value: bool = False) -> Iterator[Row]:
    """The rows of a page's statement (search.page.statement, which an Access has gone into). `by_value`: planned for these values alone."""
    rows = connection.execute(statement.text, statement.values, prepare=False if by_value else None)
    for mode, rid, *rest, keys, _ in rows.fetchall():
        found = None if mode == "total" else version_of((rid, *rest))
        yield Row(mode, rid, found, tuple(keys or ()))


def expected_rows(connection: Connection[Any], statement: Fragment) -> int:
    """How many rows the planner expects of an EXPLAIN statement."""
    row = connection.execute(statement.text, statement.values).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def version_of(row: Sequence[Any]) -> Version:
    """A row (rid, type, id, version, last_updated, body) as a Version, its body decompressed."""
    rid, kind, logical_id, number, last_updated, frame = row
    body = decompress(frame) if frame is not None else None
    return Version(rid, TYPE_NAME[kind], logical_id, number, last_updated, body)

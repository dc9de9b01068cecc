"""Runs of $reindex: the index rows of stored resources written again, batch by batch, while the server works.

A batch and its progress are one transaction, so a run that was cut off goes on where it was, in whichever process comes first. A batch
locks its resources: a write that comes in between waits for it and wins afterwards. https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE, TYPE_NAME
from fhir_server.store.bodies import decompress
from fhir_server.store.database import Database
from fhir_server.store.parameters import make_ready
from fhir_server.store.retrying import retrying
from fhir_server.store.write import Write, Writer

BATCH = 500
ATTEMPTS = 8
_COLUMNS = "id, started, ended, parameters, types, after, done, total, request, problem"
_START = f"""
INSERT INTO reindex_run (id, started, parameters, types, total, request)
SELECT %s, %s, %s, %s, count(*), %s FROM resource WHERE body IS NOT NULL AND (%s::smallint[] IS NULL OR type = ANY(%s))
RETURNING {_COLUMNS}
"""
_SAME = f"""
SELECT {_COLUMNS} FROM reindex_run
WHERE ended IS NULL AND parameters = %s::smallint[] AND types IS NOT DISTINCT FROM %s::smallint[] LIMIT 1
"""
_FIND = f"SELECT {_COLUMNS} FROM reindex_run WHERE id = %s"
_CLAIM = f"""
SELECT {_COLUMNS} FROM reindex_run WHERE ended IS NULL AND (%s::text IS NULL OR id = %s)
ORDER BY started, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_PENDING = "SELECT number FROM pending_parameter ORDER BY number"
_OF = "SELECT number, base FROM search_parameter WHERE definer = (SELECT rid FROM resource WHERE type = %s AND id = %s)"
_ALL = """
SELECT rid FROM resource WHERE rid > %(after)s AND body IS NOT NULL ORDER BY rid LIMIT %(batch)s
"""
_OF_TYPES = """
(SELECT r.rid FROM unnest(%(types)s::bigint[]) AS t CROSS JOIN LATERAL (
    SELECT rid FROM resource WHERE rid > greatest(%(after)s, (t << 40) - 1) AND rid < ((t + 1) << 40) AND body IS NOT NULL
    ORDER BY rid LIMIT %(batch)s) AS r
UNION
SELECT container FROM contained WHERE container > %(after)s AND ((rid >> 40) & 65535) = ANY(%(types)s::bigint[]))
ORDER BY 1 LIMIT %(batch)s
"""
"""Resources of the types, and what contains such."""
_LOCK = """
SELECT rid, type, id, version, last_updated, body FROM resource
WHERE rid = ANY(%s) AND body IS NOT NULL ORDER BY rid FOR UPDATE
"""
_GO_ON = "UPDATE reindex_run SET after = %s, done = done + %s WHERE id = %s"
_END = "UPDATE reindex_run SET ended = now(), problem = %s WHERE id = %s AND ended IS NULL"


@dataclass(frozen=True, slots=True)
class Run:
    """`parameters` are usable afterwards; `types` None: every resource is indexed again. `request`: the address that asked for it."""

    id: str
    started: datetime
    ended: datetime | None
    parameters: list[int]
    types: list[int] | None
    after: int
    done: int
    total: int
    request: str
    problem: str | None


def start(
    connection: Connection[Any],
    run_id: str,
    now: datetime,
    request: str = "",
    wanted: Sequence[tuple[int, str]] | None = None,
) -> Run:
    """A run of these (number, resource type), of everything where none are given; one that is under way already is joined."""
    if wanted is None:
        numbers = [number for (number,) in connection.execute(_PENDING).fetchall()]
        types = None
    else:
        numbers = sorted(number for number, _ in wanted)
        types = sorted({TYPE_CODE[base] for _, base in wanted})
    row = connection.execute(_SAME, (numbers, types)).fetchone()
    if row is None:
        row = connection.execute(_START, (run_id, now, numbers, types, request, types, types)).fetchone()
    assert row is not None
    return Run(*row)


def find(connection: Connection[Any], run_id: str) -> Run | None:
    """The run as it stands."""
    row = connection.execute(_FIND, (run_id,)).fetchone()
    return Run(*row) if row else None


def defined_by(connection: Connection[Any], logical_id: str) -> list[tuple[int, str]]:
    """Number and resource type of what the stored SearchParameter defines."""
    return connection.execute(_OF, (TYPE_CODE["SearchParameter"], logical_id)).fetchall()


def end(connection: Connection[Any], run_id: str, problem: str) -> None:
    """Give the run up; what it has indexed stays."""
    connection.execute(_END, (problem, run_id))


def end_oldest(connection: Connection[Any], problem: str) -> None:
    """Give the run up that `step` would go on with."""
    row = connection.execute(_CLAIM, (None, None)).fetchone()
    if row:
        end(connection, Run(*row).id, problem)


def step(database: Database, writer: Writer, run_id: str | None = None) -> str:
    """One batch of the run (of the oldest open one); the run's id, or nothing where none is open or others are at it."""
    return retrying(lambda: _step(database, writer, run_id), ATTEMPTS)


def _step(database: Database, writer: Writer, run_id: str | None) -> str:
    with database.transaction() as connection:
        row = connection.execute(_CLAIM, (run_id, run_id)).fetchone()
        if row is None:
            return ""
        run = Run(*row)
        rids = _next(connection, run)
        if rids:
            writes = [_write(*row) for row in connection.execute(_LOCK, (rids,)).fetchall()]
            if writes:
                writer.index_again(connection, writes)
            connection.execute(_GO_ON, (rids[-1], len(writes), run.id))
        else:
            make_ready(connection, run.parameters)
            connection.execute(_END, (None, run.id))
        return run.id


def run_to_end(database: Database, writer: Writer, run_id: str) -> Iterator[Run]:
    """The run after each batch, whoever made it, until it has ended."""
    while True:
        step(database, writer, run_id)
        with database.transaction() as connection:
            found = find(connection, run_id)
        if found is None:
            return
        yield found
        if found.ended:
            return


def _next(connection: Connection[Any], run: Run) -> list[int]:
    values = {"after": run.after, "batch": BATCH, "types": run.types}
    query = _ALL if run.types is None else _OF_TYPES
    return [rid for (rid,) in connection.execute(query, values).fetchall()]


def _write(rid: int, kind: int, logical_id: str, version: int, last_updated: Any, body: bytes) -> Write:
    found = decompress(body)
    write = Write(TYPE_NAME[kind], logical_id, json.decode_object(found), rid=rid, version=version)
    write.last_updated, write.body = last_updated, found
    return write

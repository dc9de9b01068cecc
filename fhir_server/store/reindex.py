"""reindex: the index rows of stored resources written again, batch by batch, while the server works.

A batch locks its resources, so a write that comes in between waits for it and wins afterwards. https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_NAME
from fhir_server.store.bodies import decompress
from fhir_server.store.database import Database
from fhir_server.store.write import Write, Writer

BATCH = 500
_NEXT = """
SELECT rid, type, id, version, last_updated, body FROM resource
WHERE rid > %s AND body IS NOT NULL ORDER BY rid LIMIT %s FOR UPDATE
"""


def reindex(database: Database, writer: Writer, after: int = 0) -> Iterator[tuple[int, int]]:
    """(how many are done, rid of the last one) after each batch; begin again behind that rid to go on."""
    done = 0
    while True:
        with database.transaction() as connection:
            writes = _batch(connection, after)
            if not writes:
                return
            writer.index_again(connection, writes)
        after = writes[-1].rid
        done += len(writes)
        yield done, after


def _batch(connection: Connection[Any], after: int) -> list[Write]:
    rows = connection.execute(_NEXT, (after, BATCH)).fetchall()
    return [_write(*row) for row in rows]


def _write(rid: int, kind: int, logical_id: str, version: int, last_updated: Any, body: bytes) -> Write:
    found = decompress(body)
    write = Write(TYPE_NAME[kind], logical_id, json.decode_object(found), rid=rid, version=version)
    write.last_updated, write.body = last_updated, found
    return write

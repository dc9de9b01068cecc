"""Identities: (type, id) -> rid. A rid, once given, never changes and is never given again.

A resource that is only referred to has a rid too (version 0), so references are joins whatever order things arrive in.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.r4.definitions import TYPE_CODE

Identity = tuple[str, str]
"""Resource type and logical id."""
REMEMBERED = 100_000

_FIND = """
SELECT r.type, r.id, r.rid FROM unnest(%s::smallint[], %s::text[]) AS u (type, id)
JOIN resource r ON r.type = u.type AND r.id = u.id
"""
_PLACE = """
INSERT INTO resource (rid, type, id, version, last_updated)
SELECT (u.type::bigint << 40) | nextval('rid_sequence'), u.type, u.id, 0, %s
FROM unnest(%s::smallint[], %s::text[]) AS u (type, id) ORDER BY u.type, u.id ON CONFLICT DO NOTHING
"""
_NUMBERS = "SELECT nextval('rid_sequence') FROM generate_series(1, %s)"
_NAMES = {code: name for name, code in TYPE_CODE.items()}


class Identities:
    """Finds and makes rids; remembers those that a committed transaction has seen."""

    def __init__(self) -> None:
        self._known: dict[Identity, int] = {}
        self._lock = threading.Lock()

    def remember(self, found: dict[Identity, int]) -> None:
        """Call after the commit: until then another process may still not see them."""
        with self._lock:
            if len(self._known) + len(found) > REMEMBERED:
                self._known = {}
            self._known.update(found)

    def targets(
        self, connection: Connection[Any], wanted: Collection[Identity], now: datetime
    ) -> dict[Identity, int]:
        """The rid of each; a place is kept for those that are not there yet."""
        known = self._known
        found = {identity: known[identity] for identity in wanted if identity in known}
        missing = [identity for identity in wanted if identity not in found]
        if not missing:
            return found
        found |= find(connection, missing)
        absent = sorted(identity for identity in missing if identity not in found)
        if absent:
            connection.execute(_PLACE, (now, *columns(absent)))
            found |= find(connection, absent)
        return found


def find(connection: Connection[Any], wanted: Collection[Identity]) -> dict[Identity, int]:
    """The rids of those that have one."""
    rows = connection.execute(_FIND, columns(list(wanted))).fetchall()
    return {(_NAMES[kind], logical_id): rid for kind, logical_id, rid in rows}


def new_rids(connection: Connection[Any], types: list[str]) -> list[int]:
    """Fresh rids, one a type given."""
    numbers = connection.execute(_NUMBERS, (len(types),)).fetchall() if types else []
    return [(TYPE_CODE[kind] << 40) | number for kind, (number,) in zip(types, numbers, strict=True)]


def columns(identities: list[Identity]) -> tuple[list[int], list[str]]:
    """Codes of the types, and ids: for unnest(smallint[], text[])."""
    return [TYPE_CODE[kind] for kind, _ in identities], [logical_id for _, logical_id in identities]

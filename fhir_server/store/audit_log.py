"""The audit log's chain of hashes: sealing new rows, and finding what was removed, changed or reordered.

Rows are sealed in batches by whoever holds the lock, so that writers never wait for each other. Each hash is over its predecessor's,
the row's number and the row; with a key (CHARTLINE_AUDIT_KEY) nobody without it can make the chain anew. The head is also kept outside
the database, so that a tail that was cut off is missed. docs/adr/0011-audit-log.md
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('chartline audit_chain', 0))"
_SEAL = "SELECT position, settled, seen, next_xid FROM audit_seal ORDER BY position DESC LIMIT 1"
_HEAD = "SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1"
_SNAPSHOT = """
SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, (SELECT coalesce(max(n), 0) FROM audit_log)
FROM pg_current_snapshot() AS s
"""
_UNSEALED = """
SELECT l.n, l.deed FROM audit_log l WHERE l.n > %s AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.n = l.n) ORDER BY l.n LIMIT %s
"""
_CHAIN = "INSERT INTO audit_chain (position, n, hash) SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])"
_ADD_SEAL = (
    "INSERT INTO audit_seal (position, sealed_at, settled, seen, next_xid) VALUES (%s, %s, %s, %s, %s)"
)
_WHOLE = """
SELECT c.position, c.n, c.hash, l.deed FROM audit_chain c LEFT JOIN audit_log l ON l.n = c.n ORDER BY c.position
"""
_SEALED_TO = "SELECT coalesce(max(position), 0) FROM audit_seal"

AT_ONCE = 5000
"""Rows that one sealing takes at most."""
NOTHING = b""


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's end: how many rows it has, and the last one's hash."""

    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """`row`: the row's number in audit_log; `position`: its place in the chain."""

    position: int
    row: int
    text: str


def link(key: bytes, before: bytes, row: int, deed: str) -> bytes:
    """The hash of a row behind its predecessor's."""
    said = before + row.to_bytes(8, "big") + deed.encode()
    return hmac.digest(key, said, "sha256") if key else hashlib.sha256(said).digest()


def seal(connection: Connection[Any], key: bytes, now: datetime, *, sweep: bool = False) -> int:
    """Seal what has been committed, AT_ONCE rows at most; how many it was. `sweep` looks at rows of any age."""
    connection.execute(_LOCK)
    _, settled, seen, next_xid = connection.execute(_SEAL).fetchone() or (0, 0, 0, 0)
    oldest, newest, highest = connection.execute(_SNAPSHOT).fetchone() or (0, 0, 0)
    settled = seen if oldest >= next_xid else settled
    rows = connection.execute(_UNSEALED, (0 if sweep else settled, AT_ONCE)).fetchall()
    if not rows:
        return 0
    start = head(connection)
    hashes, before = [], start.hash
    for row, deed in rows:
        before = link(key, before, row, deed)
        hashes.append(before)
    end = start.position + len(rows)
    positions = list(range(start.position + 1, end + 1))
    connection.execute(_CHAIN, (positions, [row for row, _ in rows], hashes))
    seen = highest if len(rows) < AT_ONCE else settled
    connection.execute(_ADD_SEAL, (end, now, settled, seen, newest))
    return len(rows)


def head(connection: Connection[Any]) -> Head:
    """The chain's end; position 0 where nothing has been sealed."""
    row = connection.execute(_HEAD).fetchone()
    return Head(row[0], bytes(row[1])) if row else Head(0, NOTHING)


def faults(connection: Connection[Any], key: bytes, known: Head | None = None) -> Iterator[Fault]:
    """Everything that is not as it was sealed; `known` is a head that was kept elsewhere.

    After a fault the chain is followed from the hash that stands there, so that each is told once.
    """
    position, before, met = 0, NOTHING, known is None or known.position == 0
    with connection.cursor("audit_chain") as cursor:
        for place, row, digest, deed in cursor.execute(_WHOLE):
            for missing in range(position + 1, place):
                yield Fault(missing, 0, "its link was removed from the chain")
            if deed is None:
                yield Fault(place, row, "the row was removed")
            elif link(key, before, row, deed) != bytes(digest) and place == position + 1:
                yield Fault(place, row, "the row or its link was changed, or stood elsewhere")
            if known and place == known.position:
                met = True
                if bytes(digest) != known.hash:
                    yield Fault(place, row, "the chain is not the one whose head was kept outside")
            position, before = place, bytes(digest)
    sealed = connection.execute(_SEALED_TO).fetchone()
    told = max(int(sealed[0]) if sealed else 0, known.position if known and not met else 0)
    if told > position:
        yield Fault(told, 0, f"the chain ends at {position}, and was {told} long: its tail was removed")

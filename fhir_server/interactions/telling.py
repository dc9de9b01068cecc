"""telling: the audit log's rows become AuditEvent resources, so that they are searched like any other.

The log is the proof and costs one INSERT a request; the AuditEvents are its FHIR form, made in the background and before somebody
searches for them. https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection

from fhir_server.access import deed as deeds
from fhir_server.access.deed import Deed, Known, Shown
from fhir_server.interactions.context import Service
from fhir_server.r4.definitions import TYPE_NAME
from fhir_server.store import anchor, audit_log
from fhir_server.store.write import Write

AT_ONCE = 200
"""Rows of the log that one transaction tells."""
MOST_NAMED = 5000
"""Resources that these rows may name: a row of a load names thousands."""
BEFORE_A_SEARCH = 25
"""Transactions of that size that a search waits for at most; the rest is told in the background."""

_TOLD = "SELECT position FROM audit_told FOR UPDATE"
_MOVE = "UPDATE audit_told SET position = %s"
_NEXT = """
SELECT c.position, l.n, l.deed FROM audit_chain c JOIN audit_log l ON l.n = c.n WHERE c.position > %s ORDER BY c.position LIMIT %s
"""
# A deletion belongs to the patients of the version before it.
_KNOWN = """
SELECT u.rid, u.version, r.type, r.id,
    CASE WHEN r.version = u.version AND r.body IS NOT NULL THEN r.patients
         ELSE coalesce((SELECT h.patients FROM history h WHERE h.rid = u.rid AND h.version <= u.version AND h.body IS NOT NULL
                        ORDER BY h.version DESC LIMIT 1), r.patients) END
FROM unnest(%s::bigint[], %s::integer[]) AS u (rid, version) JOIN resource r ON r.rid = u.rid
"""
_NAMES = "SELECT rid, id FROM resource WHERE rid = ANY(%s)"


def seal(service: Service, *, sweep: bool = False) -> int:
    """Seal new rows of the log, and keep the head outside; how many it was."""
    now = service.clock()
    with service.database.transaction() as connection:
        sealed = audit_log.seal(connection, service.settings.audit_key.encode(), now, sweep=sweep)
        head = audit_log.head(connection)
        path = anchor.place(service.settings)
        if sealed and path is not None:
            anchor.keep(path, head, now)
    return sealed


def tell(service: Service) -> int:
    """Make AuditEvents of the next rows of the chain; how many rows it was."""
    with service.database.transaction() as connection:
        row = connection.execute(_TOLD).fetchone()
        found = connection.execute(_NEXT, (row[0] if row else 0, AT_ONCE)).fetchall()
        rows = list(_no_more_than_a_load([(place, n, deeds.read(text)) for place, n, text in found]))
        if rows:
            writes = _events(service, connection, [(n, deed) for _, n, deed in rows])
            service.writer.apply(connection, writes, service.clock())
            connection.execute(_MOVE, (rows[-1][0],))
    return len(rows)


def _no_more_than_a_load(rows: Sequence[tuple[int, int, Deed]]) -> Iterator[tuple[int, int, Deed]]:
    """The first rows, up to the one that brings the resources that they name over MOST_NAMED."""
    named = 0
    for row in rows:
        if named > MOST_NAMED:
            return
        named += len(row[2].shown)
        yield row


def catch_up(service: Service, most: int = BEFORE_A_SEARCH) -> None:
    """Seal and tell what has been committed."""
    seal(service)
    for _ in range(most):
        if not tell(service):
            return


def _events(service: Service, connection: Connection[Any], rows: Sequence[tuple[int, Deed]]) -> list[Write]:
    known = _known(connection, {(rid, version) for _, deed in rows for rid, version in deed.shown})
    server = service.settings.base_url or "chartline"
    writes = []
    for n, deed in rows:
        for part, event in enumerate(deeds.events(deed, known, server)):
            logical_id = f"log-{n}" if part == 0 else f"log-{n}-{part}"
            writes.append(Write("AuditEvent", logical_id, {**event, "id": logical_id}, is_new=True))
    return writes


def _known(connection: Connection[Any], wanted: set[Shown]) -> dict[Shown, Known]:
    pairs = sorted(wanted)
    found = connection.execute(
        _KNOWN, ([rid for rid, _ in pairs], [version for _, version in pairs])
    ).fetchall()
    owners = sorted({patient for *_, patients in found for patient in patients})
    names = dict(connection.execute(_NAMES, (owners,)).fetchall())
    return {
        (rid, version): Known(
            f"{TYPE_NAME[kind]}/{logical_id}/_history/{version}", [names[p] for p in patients if p in names]
        )
        for rid, version, kind, logical_id, patients in found
    }

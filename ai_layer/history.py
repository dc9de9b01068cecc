"""What stands beside a resource that is to be explained: earlier results of the same code, or the results of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Connection

from ai_layer.evidence import Evidence, evidence_from
from ai_layer.passages import may_mean_otherwise
from fhir_server.access.decide import Access
from fhir_server.r4 import json
from fhir_server.store import read as store
from fhir_server.store.read import Version, version_of

EARLIER = 10
_SAME_CODE = """
SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.body FROM passage own
JOIN passage p ON p.patient = own.patient AND p.hash = own.hash AND p.code = own.code AND p.time < own.time
JOIN resource r ON r.rid = p.rid
WHERE own.rid = %s AND r.body IS NOT NULL AND p.status <> 'entered-in-error' AND ({access}) ORDER BY p.time DESC LIMIT %s
"""


def with_earlier(
    connection: Connection[Any], access: Access, found: Version, allows: Callable[[bytes | None], bool]
) -> list[Evidence]:
    """The resource first, then what it is compared with, or made of, as far as the Consents let it be used."""
    others = _results(connection, access, found) if found.type == "DiagnosticReport" else []
    if found.type == "Observation":
        allowed = access.on("r")
        rows = connection.execute(
            _SAME_CODE.format(access=allowed.text), (found.rid, *allowed.values, EARLIER)
        ).fetchall()
        others = [version_of(row) for row in rows]
    kept = [found, *(version for version in others if allows(version.body))]
    return [
        evidence_from(v.body, v.version, access.purpose)
        for v in kept
        if v.body is not None and not may_mean_otherwise(json.decode_object(v.body))
    ]


def _results(connection: Connection[Any], access: Access, report: Version) -> Sequence[Version]:
    references = [r.get("reference", "") for r in json.decode_object(report.body or b"{}").get("result", ())]
    ids = [r.partition("/")[2] for r in references if r.startswith("Observation/")]
    return [v for i in ids if (v := store.current(connection, access, "Observation", i))]

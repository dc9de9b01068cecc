"""The part of a record that the checks look at: one statement, under the Access of whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from fhir_server.access.decide import Access
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store
from fhir_server.store.bodies import decompress

Json = dict[str, Any]
REFILL_TYPES = ("MedicationRequest", "MedicationDispense", "AllergyIntolerance", "Condition", "Encounter")
_RECORD = """
SELECT r.body FROM compartment c JOIN resource r ON r.rid = c.rid
WHERE c.patient = (SELECT rid FROM resource WHERE type = %s AND id = %s) AND r.body IS NOT NULL AND ({access})
  AND (r.type = ANY(%s) OR (r.type = %s AND r.rid IN (SELECT t.rid FROM token_index t WHERE t.rid = r.rid AND t.code = ANY(%s))))
"""
_SLOTS = """
SELECT r.body FROM resource r WHERE r.type = ANY(%s) AND r.body IS NOT NULL AND ({access})
"""


def record(
    connection: Connection[Any],
    access: Access,
    patient_id: str,
    types: Sequence[str],
    codes: Sequence[str] = (),
) -> dict[str, list[Json]]:
    """The patient's resources of the types, and the Observations of the codes, by type."""
    allowed = access.on("r")
    values = (
        TYPE_CODE["Patient"],
        patient_id,
        *allowed.values,
        [TYPE_CODE[t] for t in types],
        TYPE_CODE["Observation"],
        list(codes),
    )
    found: dict[str, list[Json]] = {}
    for (body,) in connection.execute(_RECORD.format(access=allowed.text), values).fetchall():
        resource = json.decode_object(decompress(body))
        found.setdefault(resource["resourceType"], []).append(resource)
    return found


def every(connection: Connection[Any], access: Access, *types: str) -> list[Json]:
    """All resources of types that belong to nobody's record (Slot, Schedule)."""
    allowed = access.on("r")
    rows = connection.execute(
        _SLOTS.format(access=allowed.text), ([TYPE_CODE[t] for t in types], *allowed.values)
    )
    return [json.decode_object(decompress(body)) for (body,) in rows.fetchall()]


def one(connection: Connection[Any], access: Access, kind: str, logical_id: str) -> Json:
    """The current version. Raises NOT_FOUND."""
    found = store.current(connection, access, kind, logical_id)
    if found is None or found.body is None:
        raise FhirError(Problem.NOT_FOUND, f"There is no {kind}/{logical_id}.")
    return json.decode_object(found.body)


def locked(connection: Connection[Any], access: Access, kind: str, logical_id: str) -> Json:
    """The same, its row locked to the end of the transaction: who comes second sees what the first one did."""
    query = "SELECT FROM resource WHERE type = %s AND id = %s FOR UPDATE"
    connection.execute(query, (TYPE_CODE[kind], logical_id))
    return one(connection, access, kind, logical_id)

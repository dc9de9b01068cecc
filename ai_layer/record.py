"""What of a patient's record the assistant needs besides evidence: that the patient is there, sex and age, and the Consents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from ai_layer.explain import Person
from fhir_server.access.decide import Access
from fhir_server.r4 import json
from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store
from fhir_server.store.bodies import decompress

Json = dict[str, Any]
_CONSENTS = """
SELECT r.body FROM compartment c JOIN resource r ON r.rid = c.rid
WHERE c.patient = (SELECT rid FROM resource WHERE type = %s AND id = %s) AND r.type = %s AND r.body IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient in context."""

    id: str
    person: Person


def patient(connection: Connection[Any], access: Access, logical_id: str, now: datetime) -> Patient:
    """Raises NOT_FOUND where there is no such patient, or none that this Access reaches."""
    found = store.current(connection, access, "Patient", logical_id)
    if found is None or found.body is None:
        raise FhirError(Problem.NOT_FOUND, f"There is no Patient/{logical_id}.")
    resource = json.decode_object(found.body)
    return Patient(logical_id, Person(resource.get("gender"), _age(resource.get("birthDate"), now)))


def _age(birth: Any, now: datetime) -> float | None:
    try:
        return (now - parse_instant_or_partial(str(birth)).lo).days / 365.25 if birth else None
    except ValueError:
        return None


def consents(connection: Connection[Any], logical_id: str) -> list[Json]:
    """All Consents of the patient; they are what decides, so no Access stands before them."""
    rows = connection.execute(_CONSENTS, (TYPE_CODE["Patient"], logical_id, TYPE_CODE["Consent"])).fetchall()
    return [json.decode_object(decompress(body)) for (body,) in rows]

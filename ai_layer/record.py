"""What of a patient's record the assistant needs besides evidence: that the patient is there, sex and age, the Consents, and what
a language model must not get to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from ai_layer.explain import Person
from ai_layer.settings import AiSettings
from ai_layer.shield import Shield
from fhir_server.access.decide import Access
from fhir_server.deidentify.days import offset
from fhir_server.deidentify.known import Known
from fhir_server.r4 import json
from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store
from fhir_server.store.bodies import decompress

Json = dict[str, Any]
_OF_PATIENT = """
SELECT r.body FROM compartment c JOIN resource r ON r.rid = c.rid
WHERE c.patient = (SELECT rid FROM resource WHERE type = %s AND id = %s) AND r.type = ANY(%s) AND r.body IS NOT NULL
"""
_WHO = ("RelatedPerson", "Coverage", "Account")
"""Beside the Patient, what says how the patient and the family are called and numbered."""


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient in context."""

    id: str
    person: Person
    resource: Json


def patient(connection: Connection[Any], access: Access, logical_id: str, now: datetime) -> Patient:
    """Raises NOT_FOUND where there is no such patient, or none that this Access reaches."""
    found = store.current(connection, access, "Patient", logical_id)
    if found is None or found.body is None:
        raise FhirError(Problem.NOT_FOUND, f"There is no Patient/{logical_id}.")
    resource = json.decode_object(found.body)
    person = Person(resource.get("gender"), _age(resource.get("birthDate"), now))
    return Patient(logical_id, person, resource)


def _age(birth: Any, now: datetime) -> float | None:
    try:
        return (now - parse_instant_or_partial(str(birth)).lo).days / 365.25 if birth else None
    except ValueError:
        return None


def consents(connection: Connection[Any], logical_id: str) -> list[Json]:
    """All Consents of the patient; they are what decides, so no Access stands before them."""
    return _of_patient(connection, logical_id, ("Consent",))


def shield(connection: Connection[Any], patient: Patient, settings: AiSettings) -> Shield | None:
    """What stands before a language model; nothing where none is set. It takes out and shows nothing, so no Access stands before it."""
    return shielding(connection, patient, settings) if settings.model else None


def shielding(connection: Connection[Any], patient: Patient, settings: AiSettings) -> Shield:
    """What takes out who this patient is."""
    known = Known.of([patient.resource, *_of_patient(connection, patient.id, _WHO)])
    return Shield(known, offset(settings.deidentify_key, patient.id) if settings.moves_dates else 0)


def _of_patient(connection: Connection[Any], logical_id: str, types: Sequence[str]) -> list[Json]:
    wanted = [TYPE_CODE[name] for name in types]
    rows = connection.execute(_OF_PATIENT, (TYPE_CODE["Patient"], logical_id, wanted)).fetchall()
    return [json.decode_object(decompress(body)) for (body,) in rows]

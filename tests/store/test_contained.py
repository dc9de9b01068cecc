"""Contained resources are read with their container, and with nothing else. https://hl7.org/fhir/R4/search.html#contained"""

from __future__ import annotations

from typing import Any

from fhir_server.access.actor import Actor
from fhir_server.interactions.search import search
from tests.service import context_of, ids, put, service_on

MEDICATION = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"code": "abc"}]}}


def order(patient: str) -> dict[str, Any]:
    return {
        "status": "active",
        "medicationReference": {"reference": "#m"},
        "subject": {"reference": f"Patient/{patient}"},
        "contained": [MEDICATION],
    }


def test_a_patient_finds_contained_resources_of_the_own_record_only(dsn: str) -> None:
    service = service_on(dsn)
    put(context_of(service), {f"MedicationRequest/{p}": order(p) for p in ("ann", "bob")})
    ann = context_of(service, Actor.of_patient("ann"))
    inside = [("_contained", "true"), ("_containedType", "contained"), ("code", "abc")]
    assert ids(search(ann, "Medication", inside[:1]).body) == ["ann"]
    assert (search(ann, "Medication", inside).body or b"").count(b"#m") == 1
    assert ids(search(ann, "MedicationRequest", [("medication.code", "abc")]).body) == ["ann"]
    service.database.close()


def test_nothing_stays_of_what_a_deleted_resource_contained(dsn: str) -> None:
    service = service_on(dsn)
    context = context_of(service)
    put(context, {"MedicationRequest/ann": order("ann")})
    put(context, {"MedicationRequest/ann": {"status": "active"}})
    with context.connect() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM contained), (SELECT count(*) FROM token_index WHERE code = 'abc')"
        ).fetchone()
    assert row == (0, 0)
    service.database.close()

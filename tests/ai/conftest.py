"""A Service with the AI layer, and a small record that holds what the tests ask about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ai_layer.app import make_service
from fhir_server.interactions.context import Context, Service
from fhir_server.settings import Settings
from tests.service import NOW, context_of, put

LOINC, SNOMED, RXNORM = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
Json = dict[str, Any]


@pytest.fixture
def service(dsn: str) -> Iterator[Service]:
    """With opt-out, and the clock at NOW."""
    made = make_service(Settings(pool=4, consent="opt-out"), dsn)
    made.clock = lambda: NOW
    yield made
    made.database.close()


@pytest.fixture
def context(service: Service) -> Context:
    """The system's Context, on a store that holds RECORD."""
    found = context_of(service)
    put(found, RECORD)
    return found


def opted_in(service: Service) -> Service:
    """The same service, but a Consent has to permit."""
    service.settings = replace(service.settings, consent="opt-in")
    return service


def observation(code: str, display: str, value: float, unit: str, when: str, **more: Any) -> Json:
    """A final result of Ann's."""
    return {
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
        "subject": {"reference": "Patient/ann"},
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **more,
    }


def order(code: str, display: str, **more: Any) -> Json:
    """An active order of Ann's."""
    return {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": RXNORM, "code": code, "display": display}],
            "text": display,
        },
        "subject": {"reference": "Patient/ann"},
        "authoredOn": "2025-12-01",
        **more,
    }


def consent(kind: str, purpose: str = "PATRQT") -> Json:
    """An active Consent of Ann's."""
    return {
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": LOINC, "code": "59284-0"}]}],
        "patient": {"reference": "Patient/ann"},
        "policyRule": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]
        },
        "provision": {
            "type": kind,
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}],
        },
    }


RANGE = {"referenceRange": [{"low": {"value": 4, "unit": "%"}, "high": {"value": 5.6, "unit": "%"}}]}
RECORD: dict[str, Json] = {
    "Patient/ann": {"gender": "female", "birthDate": "1960-05-05", "name": [{"family": "Zyxwood"}]},
    "Patient/bob": {"gender": "male", "birthDate": "1970-01-01", "name": [{"family": "Quillfeather"}]},
    "Observation/a1c-1": observation("4548-4", "Hemoglobin A1c", 8.1, "%", "2025-03-02", **RANGE),
    "Observation/a1c-2": observation("4548-4", "Hemoglobin A1c", 6.9, "%", "2026-01-10", **RANGE),
    "Observation/chol": observation("2093-3", "Total Cholesterol", 231.5, "mg/dL", "2025-11-11"),
    "Observation/wrong": observation("2951-2", "Sodium", 999, "mmol/L", "2026-02-02")
    | {"status": "entered-in-error"},
    "Observation/bobs": observation("2093-3", "Total Cholesterol", 111, "mg/dL", "2026-02-02")
    | {"subject": {"reference": "Patient/bob"}},
    "Condition/diabetes": {
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
        "code": {
            "coding": [{"system": SNOMED, "code": "44054006", "display": "Diabetes"}],
            "text": "Diabetes",
        },
        "subject": {"reference": "Patient/ann"},
        "onsetDateTime": "2015-06-01",
    },
    "MedicationRequest/lisinopril": order("314076", "lisinopril 10 MG Oral Tablet"),
    "MedicationRequest/old": order("314231", "Simvastatin 10 MG Oral Tablet") | {"status": "stopped"},
}

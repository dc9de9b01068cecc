"""A clinic on a test's own database: its Service with the draft lane, people who ask and sign, and records to ask about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ai_layer.drafts.operations import OPERATIONS
from ai_layer.drafts.seal import DraftSeal
from fhir_server import service as services
from fhir_server.access.actor import Actor
from fhir_server.access.decide import decide
from fhir_server.access.purpose import usual_purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.operations.registry import OperationRequest, Operations
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError
from fhir_server.settings import Settings
from tests.unit.drafts.records import NOW

Json = dict[str, Any]
LEE, OKAFOR = "Practitioner/lee", "Practitioner/okafor"
RXNORM, LOINC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://loinc.org"


@dataclass(slots=True)
class Clinic:
    """The Service and its clock; every method acts as somebody."""

    service: Service

    def context(self, actor: Actor) -> Context:
        """A Context of the actor's, for its usual purpose."""
        return Context(self.service, decide(actor, usual_purpose(actor.role)), "http://test/fhir")

    @property
    def system(self) -> Context:
        """The server itself."""
        return self.context(Actor.system())

    def patient(self, logical_id: str = "p") -> Context:
        """A patient."""
        return self.context(Actor.of_patient(logical_id))

    def app(self, scopes: str, logical_id: str = "p") -> Context:
        """An app of the patient's, with no more than these scopes."""
        return self.context(replace(Actor.of_patient(logical_id), scopes=parse_scopes(scopes)))

    def clinician(self, who: str = LEE) -> Context:
        """A clinician."""
        return self.context(Actor.clinician(who))

    def put(self, *resources: Json) -> None:
        """Store them, as a client of the role system would."""
        for resource in resources:
            copy = json.decode_object(json.encode(resource))
            update(self.system, copy["resourceType"], copy["id"], copy)

    def get(self, reference: str) -> Json:
        """The current version of `Type/id`."""
        kind, logical_id = reference.split("/")[:2]
        return json.decode_object(read(self.system, kind, logical_id).body or b"{}")

    def found(self, kind: str, **parameters: str) -> list[Json]:
        """A search as the system; `_` in a name stands for a hyphen, but for the first letter."""
        pairs = [(name[0] + name[1:].replace("_", "-"), value) for name, value in parameters.items()]
        bundle = json.decode_object(search(self.system, kind, [*pairs, ("_count", "200")]).body or b"{}")
        return [entry["resource"] for entry in bundle.get("entry", ())]

    def call(self, context: Context, operation: str, address: str, **values: Any) -> Answer:
        """An operation as the endpoint calls it: found in the table, permitted by the Access."""
        kind, logical_id = address.split("/")
        found: Any = self.service.operations.find(operation, kind, instance=True)
        context.access.require(f"${operation}", kind)
        listed = [_parameter(name, value) for name, value in values.items()]
        request = OperationRequest(kind, logical_id, {"resourceType": "Parameters", "parameter": listed})
        return Answer(json.decode_object(found.handler(context, request).body or b"{}"))

    def refused(self, context: Context, operation: str, address: str, **values: Any) -> FhirError:
        """The same, where it has to fail."""
        try:
            answer = self.call(context, operation, address, **values)
        except FhirError as error:
            return error
        raise AssertionError(f"not refused: {answer.body}")

    def counts(self) -> dict[str, int]:
        """Resources of the types that the lane writes."""
        kinds = ("MedicationRequest", "Appointment", "Task", "Provenance", "Slot")
        with self.service.database.transaction() as connection:
            query = "SELECT sum(version) FROM resource WHERE rid >> 40 = %s AND version > 0"
            return {
                kind: (connection.execute(query, (TYPE_CODE[kind],)).fetchone() or (0,))[0] or 0
                for kind in kinds
            }

    def later(self, **time: float) -> None:
        """Move the clock."""
        moment = self.service.clock() + timedelta(**time)
        self.service.clock = lambda: moment


@dataclass(frozen=True, slots=True)
class Answer:
    """An operation's Parameters."""

    body: Json

    def all(self, name: str) -> list[Json]:
        """The parameters of this name."""
        return [each for each in self.body["parameter"] if each["name"] == name]

    def reference(self, name: str) -> str:
        """The Reference of this name; empty where there is none."""
        return next((each["valueReference"]["reference"] for each in self.all(name)), "")

    @property
    def checks(self) -> dict[str, str]:
        """Name -> result."""
        parts = [{part["name"]: part for part in each["part"]} for each in self.all("check")]
        return {part["name"]["valueCode"]: part["result"]["valueCode"] for part in parts}


def _parameter(name: str, value: Any) -> Json:
    if isinstance(value, dict):
        return {"name": name, "valueReference": value}
    return {"name": name, "valueString": value}


@contextmanager
def clinic_on(dsn: str, consent: str = "opt-out") -> Iterator[Clinic]:
    """The clinic, its clock standing at NOW."""
    service = services.open_service(
        Settings(pool=8, consent=consent), dsn, hooks=(DraftSeal(),), operations=Operations(OPERATIONS)
    )
    service.clock = lambda: NOW
    try:
        yield Clinic(service)
    finally:
        service.database.close()


def day(days: float) -> str:
    """A moment, in days from now."""
    return (NOW + timedelta(days=days)).isoformat(timespec="seconds")


def concept(system: str, code: str, text: str) -> Json:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def record(patient: str = "p") -> list[Json]:
    """A man whose lisinopril is due, everything in order: `MedicationRequest/order-p`."""
    subject = {"reference": f"Patient/{patient}"}
    return [
        {"resourceType": "Patient", "id": patient, "gender": "male", "birthDate": "1961-05-01"},
        order(patient),
        dispense(patient, 80),
        {
            "resourceType": "AllergyIntolerance",
            "id": f"none-{patient}",
            "patient": subject,
            "clinicalStatus": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                        "code": "active",
                    }
                ]
            },
            "code": concept("http://snomed.info/sct", "716186003", "No known allergy"),
        },
        {
            "resourceType": "Encounter",
            "id": f"visit-{patient}",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": subject,
            "period": {"start": day(-60), "end": day(-60)},
        },
        result(patient, "potassium", "6298-4", 4.4, "mmol/L"),
        result(patient, "creatinine", "38483-4", 1.0, "mg/dL"),
    ]


def order(patient: str = "p", medicine: str = "lisinopril 10 MG Oral Tablet", **elements: Any) -> Json:
    """An active order with repeats left."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"order-{patient}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": medicine},
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": day(-80),
        "requester": {"reference": LEE},
        "identifier": [{"system": "http://pharmacy.example", "value": "rx-1"}],
        "dosageInstruction": [{"text": "Take 1 tablet once a day"}],
        "dispenseRequest": {
            "validityPeriod": {"start": day(-80)[:10], "end": day(280)[:10]},
            "numberOfRepeatsAllowed": 3,
            "quantity": {"value": 90, "unit": "tablet"},
            "expectedSupplyDuration": {
                "value": 90,
                "unit": "days",
                "system": "http://unitsofmeasure.org",
                "code": "d",
            },
            "initialFill": {"quantity": {"value": 7, "unit": "tablet"}},
        },
        **elements,
    }


def dispense(patient: str, days_ago: int) -> Json:
    """A supply of 90 days."""
    return {
        "resourceType": "MedicationDispense",
        "id": f"dispense-{patient}",
        "status": "completed",
        "medicationCodeableConcept": {"text": "lisinopril 10 MG Oral Tablet"},
        "subject": {"reference": f"Patient/{patient}"},
        "authorizingPrescription": [{"reference": f"MedicationRequest/order-{patient}"}],
        "daysSupply": {"value": 90, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"},
        "whenHandedOver": day(-days_ago),
    }


def result(patient: str, name: str, code: str, value: float, unit: str) -> Json:
    """A laboratory result of two months ago."""
    return {
        "resourceType": "Observation",
        "id": f"{name}-{patient}",
        "status": "final",
        "code": concept(LOINC, code, name),
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": day(-60),
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def allergy(patient: str, substance: str, **elements: Any) -> Json:
    """An allergy to a medicine."""
    return {
        "resourceType": "AllergyIntolerance",
        "id": f"allergy-{patient}",
        "patient": {"reference": f"Patient/{patient}"},
        "category": ["medication"],
        "clinicalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                    "code": "active",
                }
            ]
        },
        "code": {"text": substance},
        **elements,
    }


def denied(kind: str, who: str) -> Json:
    """The patient lets the assistant work, and keeps resources of this type from one clinician."""
    patient_privacy = {
        "system": "http://terminology.hl7.org/CodeSystem/consentscope",
        "code": "patient-privacy",
    }
    receives = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {"coding": [patient_privacy]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"},
        "policyRule": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]
        },
        "provision": {
            "type": "deny",
            "actor": [{"role": {"coding": [receives]}, "reference": {"reference": who}}],
            "class": [{"system": "http://hl7.org/fhir/resource-types", "code": kind}],
        },
    }


def diary() -> list[Json]:
    """Two doctors, each with a Schedule."""
    found: list[Json] = []
    for key, code in (("lee", "124"), ("okafor", "169")):
        service = [concept("http://terminology.hl7.org/CodeSystem/service-type", code, key)]
        found += [
            {"resourceType": "Practitioner", "id": key, "name": [{"family": key}]},
            {
                "resourceType": "Schedule",
                "id": key,
                "active": True,
                "serviceType": service,
                "actor": [{"reference": f"Practitioner/{key}", "display": f"Dr {key}"}],
            },
        ]
    return found


def slot(logical_id: str, days: float, schedule: str = "lee", minutes: int = 30, **elements: Any) -> Json:
    """A free Slot, in days from now."""
    start = NOW + timedelta(days=days)
    return {
        "resourceType": "Slot",
        "id": logical_id,
        "schedule": {"reference": f"Schedule/{schedule}"},
        "status": "free",
        "start": start.isoformat(timespec="seconds"),
        "end": (start + timedelta(minutes=minutes)).isoformat(timespec="seconds"),
        **elements,
    }

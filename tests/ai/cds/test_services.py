"""CDS services over HTTP: discovery, cards with their evidence, and what is refused. https://cds-hooks.hl7.org/2.0/"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from ai_layer.app import make_service
from ai_layer.cds.cards import SUMMARY_LETTERS, escaped, shortened
from ai_layer.cds.serving import CdsServer
from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.interactions.context import Service
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.rest.auth import issue_token
from fhir_server.settings import Settings
from tests.ai.conftest import RECORD, RXNORM, consent
from tests.service import NOW, context_of, put

Json = dict[str, Any]
ALLERGY: Json = {
    "clinicalStatus": {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
        ]
    },
    "code": {"text": "Penicillin"},
    "patient": {"reference": "Patient/ann"},
}
PENICILLIN = {"coding": [{"system": RXNORM, "code": "723", "display": "amoxicillin"}], "text": "amoxicillin"}
VIEW, SELECT = "chartline-patient-view", "chartline-order-select"


@pytest.fixture
def service(dsn: str) -> Service:
    made = make_service(Settings(pool=4, consent="opt-out"), dsn)
    made.clock = lambda: NOW
    put(context_of(made), {**RECORD, "AllergyIntolerance/penicillin": ALLERGY})
    return made


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """A clinician's system."""
    app = create_app(service, (), (CdsServer,))
    headers = {"authorization": f"Bearer {issue_token(service, Role.CLINICIAN)}"}
    with TestClient(app, headers=headers) as client:
        yield client


def asked(hook: str, **context: Any) -> Json:
    return {"hook": hook, "hookInstance": str(uuid4()), "context": {"userId": "Practitioner/1", **context}}


def selected(medicine: Json, patient: str = "ann") -> Json:
    draft = {
        "resourceType": "MedicationRequest",
        "id": "new",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationCodeableConcept": medicine,
    }
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]}
    return asked("order-select", patientId=patient, selections=["MedicationRequest/new"], draftOrders=bundle)


def test_discovery_is_open_and_names_the_hooks(client: TestClient) -> None:
    found = client.get("/cds-services", headers={"authorization": ""}).json()["services"]
    assert {(each["id"], each["hook"]) for each in found} == {
        (VIEW, "patient-view"),
        (SELECT, "order-select"),
    }
    assert all(each["description"] for each in found)


def test_the_chart_that_is_opened_gets_a_card_for_what_its_medicines_ask_for(client: TestClient) -> None:
    found = client.post(f"/cds-services/{VIEW}", json=asked("patient-view", patientId="ann")).json()["cards"]
    (monitoring,) = [card for card in found if card["source"]["topic"]["code"] == "monitoring"]
    assert "lisinopril" in monitoring["summary"].lower()
    assert monitoring["indicator"] in ("info", "warning", "critical")
    assert "MedicationRequest/lisinopril" in monitoring["detail"].replace("\\", "")
    assert all(len(card["summary"]) <= SUMMARY_LETTERS for card in found)


def test_an_order_that_an_allergy_speaks_against_gets_a_grave_card(client: TestClient) -> None:
    found = client.post(f"/cds-services/{SELECT}", json=selected(PENICILLIN)).json()["cards"]
    assert found[0]["source"]["topic"]["code"] == "allergy"
    assert found[0]["indicator"] in ("critical", "warning")
    assert "AllergyIntolerance/penicillin" in found[0]["detail"].replace("\\", "")
    assert "selected-0" not in json.encode(found).decode()


def test_an_order_that_is_not_selected_is_not_looked_at(client: TestClient) -> None:
    body = selected(PENICILLIN)
    body["context"]["selections"] = []
    assert client.post(f"/cds-services/{SELECT}", json=body).json() == {"cards": []}


def test_what_is_sent_of_the_record_changes_nothing(client: TestClient) -> None:
    body = selected(PENICILLIN) | {"prefetch": {"allergies": {"resourceType": "Bundle", "entry": []}}}
    body["fhirServer"], body["fhirAuthorization"] = "http://127.0.0.1:1/fhir", {"access_token": "x"}
    assert client.post(f"/cds-services/{SELECT}", json=body).json()["cards"]


def test_a_consent_that_denies_is_kept(client: TestClient, service: Service) -> None:
    put(context_of(service), {"Consent/no": consent("deny", "TREAT")})
    answer = client.post(f"/cds-services/{VIEW}", json=asked("patient-view", patientId="ann"))
    assert answer.status_code == 404
    assert "lisinopril" not in answer.text


def test_each_call_stands_in_the_audit_log(client: TestClient, service: Service) -> None:
    client.post(f"/cds-services/{VIEW}", json=asked("patient-view", patientId="ann"))
    client.post(f"/cds-services/{VIEW}", json=asked("patient-view", patientId="nobody"))
    feedback = {"feedback": [{"card": str(uuid4()), "outcome": "overridden"}]}
    assert client.post(f"/cds-services/{VIEW}/feedback", json=feedback).status_code == 200
    found = json.decode_object(search(context_of(service), "AuditEvent", []).body or b"{}")
    outcomes = [entry["resource"]["outcome"] for entry in found["entry"]]
    assert outcomes.count("0") >= 2
    assert any(outcome != "0" for outcome in outcomes)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (VIEW, asked("order-select", patientId="ann"), 400),
        (VIEW, asked("patient-view"), 400),
        (VIEW, asked("patient-view", patientId="a/../b"), 400),
        (VIEW, asked("patient-view", patientId="nobody"), 404),
        (VIEW, {"hook": "patient-view", "hookInstance": "1", "context": {"patientId": "ann"}}, 400),
        (VIEW, {"hook": "patient-view", "hookInstance": str(uuid4())}, 400),
        (SELECT, asked("order-select", patientId="ann"), 400),
        (SELECT, asked("order-select", patientId="ann", draftOrders={"resourceType": "Bundle"}), 400),
        (
            SELECT,
            selected(PENICILLIN) | {"context": selected(PENICILLIN, "bob")["context"] | {"patientId": "ann"}},
            400,
        ),
        (SELECT, selected("not a concept"), 400),  # type: ignore[arg-type]
        (f"{VIEW}/feedback", {"feedback": "x"}, 400),
        ("nobody-knows-it", asked("patient-view", patientId="ann"), 404),
    ],
)
def test_what_does_not_fit_is_refused(client: TestClient, path: str, body: Json, status: int) -> None:
    answer = client.post(f"/cds-services/{path}", json=body)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


def test_a_patient_and_nobody_get_no_cards(client: TestClient, service: Service) -> None:
    body = asked("patient-view", patientId="ann")
    patient = {"authorization": f"Bearer {issue_token(service, Role.PATIENT, 'ann')}"}
    assert client.post(f"/cds-services/{VIEW}", json=body, headers=patient).status_code == 403
    assert client.post(f"/cds-services/{VIEW}", json=body, headers={"authorization": ""}).status_code == 401


def test_texts_of_records_are_no_markup_and_summaries_are_short() -> None:
    assert escaped("<b>[x](http://e)*") == "\\<b\\>\\[x\\]\\(http://e\\)\\*"
    assert len(shortened("word " * 100)) == SUMMARY_LETTERS

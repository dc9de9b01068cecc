"""$explain-access says why or why not, to those who may know; $break-glass opens what is withheld, for a time, and tells the patient."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from fhir_server.access.actor import Actor, Role, usual_scopes
from fhir_server.app import create_app
from fhir_server.interactions.context import Service
from fhir_server.rest.auth import auth_of, issue_token
from tests.service import context_of, put, service_on

Json = dict[str, Any]
SUBJECT = {"subject": {"reference": "Patient/a"}}
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONSENT = {
    "status": "active",
    "scope": {"coding": [{"code": "patient-privacy"}]},
    "category": [{"text": "x"}],
    "patient": {"reference": "Patient/a"},
    "policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]},
    "provision": {
        "type": "permit",
        "provision": [
            {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]}
        ],
    },
}


@pytest.fixture
def service(dsn: str) -> Iterator[Service]:
    made = service_on(dsn, break_glass_minutes=5)
    made.clock = lambda: datetime.now(UTC)
    records: dict[str, Json] = {
        "Patient/a": {},
        "Patient/b": {},
        "Practitioner/7": {},
        "Condition/knee": {**SUBJECT, "code": {"text": "Knee"}},
        "Observation/hiv": {
            **SUBJECT,
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "7917-8"}]},
        },
        "Observation/plain": {**SUBJECT, "status": "final", "code": {"text": "x"}},
        "Consent/c": CONSENT,
    }
    put(context_of(made), records)
    yield made
    made.database.close()


@pytest.fixture
def lee(service: Service) -> TestClient:
    actor = Actor(Role.CLINICIAN, "lee", "Practitioner/7", None, usual_scopes(Role.CLINICIAN))
    token = auth_of(service).tokens.issue(actor)
    return TestClient(create_app(service), headers={"authorization": f"Bearer {token}"})


def client(service: Service, role: Role, patient: str = "") -> TestClient:
    return TestClient(
        create_app(service), headers={"authorization": f"Bearer {issue_token(service, role, patient)}"}
    )


def explained(found: Json) -> tuple[str, str]:
    parameters = found["parameter"]
    return parameters[0]["valueCode"], "\n".join(p["valueString"] for p in parameters[1:])


@pytest.mark.parametrize(
    ("address", "decision", "reason"),
    [
        ("Observation/plain", "permit", "where a Consent names them: holds"),
        ("Condition/knee", "deny", "Consent/c/_history/1, provision 1: denies"),
        ("Observation/hiv", "deny", "sensitive categories where a Consent names them: does not hold"),
    ],
)
def test_the_patient_learns_who_may_see_what_and_why(
    service: Service, address: str, decision: str, reason: str
) -> None:
    found = (
        client(service, Role.PATIENT, "a").get(f"/fhir/{address}/$explain-access?actor=Practitioner/7").json()
    )
    assert explained(found)[0] == decision
    assert reason in explained(found)[1]


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.STAFF])
def test_nobody_else_asks_about_others(service: Service, role: Role) -> None:
    answer = client(service, role).get("/fhir/Patient/a/$explain-access?actor=Patient/b")
    assert answer.status_code == 403


def test_what_is_not_reached_is_explained_like_what_is_not_there(lee: TestClient) -> None:
    there, nowhere = (lee.get(f"/fhir/Condition/{name}/$explain-access").json() for name in ("knee", "none"))
    assert there == nowhere
    assert explained(there)[0] == "deny"


def test_an_exchange_needs_a_consent_and_the_system_sees_which(service: Service) -> None:
    system = client(service, Role.SYSTEM)
    for address, decision in (
        ("Observation/plain", "permit"),
        ("Condition/knee", "deny"),
        ("Patient/b", "deny"),
    ):
        found = system.get(f"/fhir/{address}/$explain-access?actor=Organization/hie&purpose=TREAT").json()
        assert explained(found)[0] == decision
    assert (
        "a Consent permits; sensitive categories where a Consent names them: does not hold"
        in explained(found)[1]
    )


def broken(lee: TestClient, reason: str = "Unconscious, no history at hand") -> Json:
    body = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": reason}]}
    found: Json = lee.post("/fhir/Patient/a/$break-glass", json=body).json()
    return found


GLASS = {"x-purpose-of-use": "BTG"}


def test_a_broken_glass_shows_what_is_withheld_for_this_purpose_and_patient_only(
    lee: TestClient, service: Service
) -> None:
    assert lee.get("/fhir/Condition/knee", headers=GLASS).status_code == 404
    broken(lee)
    for address in ("Condition/knee", "Observation/hiv"):
        assert lee.get(f"/fhir/{address}", headers=GLASS).status_code == 200
        assert lee.get(f"/fhir/{address}").status_code == 404
    assert client(service, Role.CLINICIAN).get("/fhir/Condition/knee", headers=GLASS).status_code == 404


def test_a_broken_glass_is_whole_again_after_its_time(lee: TestClient, service: Service) -> None:
    service.clock = lambda: datetime.now(UTC) - timedelta(minutes=6)
    broken(lee)
    service.clock = lambda: datetime.now(UTC)
    assert lee.get("/fhir/Condition/knee", headers=GLASS).status_code == 404


def test_the_patient_is_told_who_broke_the_glass_and_why(lee: TestClient, service: Service) -> None:
    broken(lee)
    lee.get("/fhir/Condition/knee", headers=GLASS)
    anna = client(service, Role.PATIENT, "a")
    (notice,) = anna.get("/fhir/Communication?patient=a").json()["entry"]
    assert notice["resource"]["sender"] == {"reference": "Practitioner/7"}
    events = [e["resource"] for e in anna.get("/fhir/AuditEvent?patient=a").json()["entry"]]
    glass = [e for e in events if e["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"]
    assert sorted(e["subtype"][0]["code"] for e in glass) == ["operation", "read"]
    assert "Unconscious, no history at hand" in [e.get("outcomeDesc") for e in glass]


@pytest.mark.parametrize("reason", ["", "short", "x" * 501])
def test_a_glass_is_broken_for_a_reason(lee: TestClient, reason: str) -> None:
    assert broken(lee, reason)["resourceType"] == "OperationOutcome"
    assert lee.get("/fhir/Condition/knee", headers=GLASS).status_code == 404


@pytest.mark.parametrize("role", [Role.PATIENT, Role.STAFF, Role.SYSTEM])
def test_nobody_but_a_clinician_breaks_it(service: Service, role: Role) -> None:
    found = client(service, role, "a" if role is Role.PATIENT else "")
    assert broken(found)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("header", ["TREATMENT", "treat", "HPAYMT"])
def test_a_purpose_that_is_none_of_the_roles_opens_nothing(lee: TestClient, header: str) -> None:
    assert lee.get("/fhir/Observation/plain", headers={"x-purpose-of-use": header}).status_code in (400, 403)

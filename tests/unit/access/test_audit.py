"""AuditEvents and Provenances: valid R4, complete, and without content."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.provenance import Provenance

from fhir_server.access import audit, provenance
from fhir_server.access.actor import Actor
from fhir_server.access.audit import Occasion
from fhir_server.access.purpose import Purpose

NOON = datetime(2024, 6, 15, 12, tzinfo=UTC)
PATIENT = Actor.of_patient("a", subject="anna")
CLINICIAN = Actor.clinician("Practitioner/7")
BY_PATIENT = Occasion(
    PATIENT, Purpose.PATRQT, NOON, address="127.0.0.1", request_id="r-1", consent="Consent/c/_history/2"
)
BY_CLINICIAN = Occasion(CLINICIAN, Purpose.TREAT, NOON, address="::1")

EVENTS: dict[str, dict[str, Any]] = {
    "read": audit.read(BY_PATIENT, "Observation/1/_history/2", "a"),
    "history": audit.read(BY_CLINICIAN, "Observation/1", "a", "history"),
    "search": audit.searched(BY_CLINICIAN, "Observation", "code=4548-4&patient=a", "a"),
    "create": audit.wrote(BY_CLINICIAN, "create", "Observation/1/_history/1", "a"),
    "update": audit.wrote(BY_CLINICIAN, "update", "Organization/1/_history/2"),
    "delete": audit.wrote(BY_CLINICIAN, "delete", "Observation/1", "a"),
    "sign-in": audit.signed_in(BY_CLINICIAN, True),
    "failed sign-in": audit.signed_in(BY_PATIENT, False),
    "sign-out": audit.signed_in(BY_CLINICIAN, True, out=True),
    "ask": audit.assisted(
        BY_PATIENT,
        "ask",
        "Patient/a",
        "a",
        device="Device/w",
        details={"status": "answered", "manifest": "ab", "tokens": 7},
    ),
    "retrieve": audit.assisted(BY_PATIENT, "retrieve", "Patient/a", "a", details={"count": 3}),
    "draft": audit.drafted(
        BY_PATIENT, "draft-refill", "MedicationRequest/d", "Task/t", "a", device="Device/w"
    ),
    "blocked draft": audit.drafted(BY_PATIENT, "draft-refill", "", "Task/t", "a"),
    "sign-off": audit.signed_off(
        BY_CLINICIAN, "approve", "MedicationRequest/d", "Task/t", "MedicationRequest/o", "a"
    ),
    "refusal": audit.read(replace(BY_PATIENT, status=403, reason="not the own compartment"), "Observation/9"),
}


@pytest.mark.parametrize("name", list(EVENTS))
def test_an_event_is_a_valid_auditevent(name: str) -> None:
    AuditEvent.model_validate(EVENTS[name])


@pytest.mark.parametrize("name", list(EVENTS))
def test_exactly_the_actor_is_the_requestor_and_the_purpose_is_told(name: str) -> None:
    event = EVENTS[name]
    asked = [agent for agent in event["agent"] if agent["requestor"]]
    assert len(asked) == 1
    assert asked[0]["purposeOfUse"] == event["purposeOfEvent"]


@pytest.mark.parametrize(
    ("name", "action", "outcome", "profile"),
    [
        ("read", "R", "0", "PatientRead"),
        ("search", "E", "0", "PatientQuery"),
        ("create", "C", "0", "PatientCreate"),
        ("update", "U", "0", "Update"),
        ("delete", "D", "0", "PatientDelete"),
        ("refusal", "R", "4", None),
        ("sign-in", "E", "0", None),
        ("failed sign-in", "E", "4", None),
    ],
)
def test_action_outcome_and_profile_follow_the_interaction(
    name: str, action: str, outcome: str, profile: str | None
) -> None:
    event = EVENTS[name]
    assert (event["action"], event["outcome"]) == (action, outcome)
    assert event.get("meta") == ({"profile": [audit.BALP + profile]} if profile else None)


@pytest.mark.parametrize(
    "name", ["read", "search", "create", "delete", "ask", "retrieve", "draft", "sign-off"]
)
def test_the_patient_finds_the_event_in_the_own_access_log(name: str) -> None:
    patients = [
        e["what"]["reference"] for e in EVENTS[name]["entity"] if e.get("role", {}).get("code") == "1"
    ]
    assert patients == ["Patient/a"]


def test_a_search_is_kept_as_it_was_sent() -> None:
    (query,) = [e["query"] for e in EVENTS["search"]["entity"] if "query" in e]
    assert b64decode(query) == b"Observation?code=4548-4&patient=a"


def test_the_consent_and_the_request_are_named() -> None:
    assert {"Consent/c/_history/2", "r-1"} <= {
        e["what"].get("reference") or e["what"]["identifier"]["value"]
        for e in EVENTS["read"]["entity"]
        if "what" in e
    }


def test_an_answer_names_the_device_and_the_manifest() -> None:
    event = EVENTS["ask"]
    assert event["agent"][-1]["who"] == {"reference": "Device/w"}
    details = {d["type"]: d["valueString"] for e in event["entity"] for d in e.get("detail", ())}
    assert details == {"operation": "ask", "status": "answered", "manifest": "ab", "tokens": "7"}


@pytest.mark.parametrize(
    ("status", "code"), [(200, "0"), (304, "0"), (401, "4"), (404, "4"), (500, "8"), (503, "8")]
)
def test_the_outcome_follows_the_status(status: int, code: str) -> None:
    assert audit.outcome(status) == code


PROVENANCES: dict[str, dict[str, Any]] = {
    "ingested": provenance.ingested(["Patient/a"], NOON, "bundle.json", Actor.system()),
    "ingested document": provenance.ingested(
        ["Patient/a"], NOON, "x", CLINICIAN, document="DocumentReference/d"
    ),
    "drafted": provenance.drafted(
        ["MedicationRequest/d"], NOON, "Device/w", PATIENT, ["MedicationRequest/o/_history/1"]
    ),
    "verified": provenance.verified(
        ["MedicationRequest/n"], NOON, CLINICIAN, "MedicationRequest/d/_history/1", "Device/w"
    ),
}


@pytest.mark.parametrize("name", list(PROVENANCES))
def test_a_provenance_is_valid(name: str) -> None:
    Provenance.model_validate(PROVENANCES[name])


def test_a_draft_says_that_a_device_wrote_it_and_for_whom() -> None:
    (agent,) = PROVENANCES["drafted"]["agent"]
    assert agent["type"]["coding"][0]["code"] == "author"
    assert agent["who"] == {"reference": "Device/w"}
    assert agent["onBehalfOf"] == {"reference": "Patient/a"}


def test_a_sign_off_names_the_clinician_as_verifier() -> None:
    kinds = [
        (a["type"]["coding"][0]["code"], a["who"]["reference"]) for a in PROVENANCES["verified"]["agent"]
    ]
    assert kinds == [("verifier", "Practitioner/7"), ("author", "Device/w")]


def test_a_writer_and_version_is_always_the_same_device() -> None:
    one, again, other = (provenance.device("rules", v) for v in ("1", "1", "2"))
    Device.model_validate(one)
    assert one == again
    assert one["id"] != other["id"]
    assert json.dumps(one).isascii()

"""Task/$review and what a Consent withholds: each clinician is told what that clinician may see, and nothing passes unseen.

https://hl7.org/fhir/R4/task.html and https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.rest.auth import issue_token
from tests.unit.drafts.clinic import (
    LEE,
    OKAFOR,
    Answer,
    Clinic,
    allergy,
    clinic_on,
    denied,
    diary,
    order,
    record,
    slot,
)

Json = dict[str, Any]
RESOLVED: Json = {
    "clinicalStatus": {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                "code": "resolved",
            }
        ]
    }
}
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record(), *diary(), slot("one", 1))
        yield found


def refill(clinic: Clinic) -> Answer:
    return clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p", note="I have two left")


def review(clinic: Clinic, asked: Answer, who: str = LEE) -> Answer:
    return clinic.call(clinic.clinician(who), "review", asked.reference("task"))


def parts(found: Json) -> dict[str, Any]:
    """Name -> value of a parameter's parts."""
    return {
        part["name"]: next(part[key] for key in part if key.startswith("value")) for part in found["part"]
    }


def test_a_review_shows_the_versions_the_words_and_the_checks_with_their_evidence(clinic: Clinic) -> None:
    asked = refill(clinic)
    answer = review(clinic, asked)
    assert answer.reference("draft") == f"{asked.reference('draft')}/_history/1"
    assert answer.reference("order") == "MedicationRequest/order-p/_history/1"
    assert [parts(each) for each in answer.all("note")] == [
        {"text": "I have two left", "author": {"reference": "Patient/p"}}
    ]
    assert answer.checks == asked.checks
    assert all(parts(each)["citation"] for each in answer.all("check"))


def test_a_review_names_what_the_draft_changes(clinic: Clinic) -> None:
    asked = refill(clinic)
    unchanged = {parts(each)["path"]: parts(each) for each in review(clinic, asked).all("change")}
    assert set(unchanged) == {"dispenseRequest.validityPeriod", "dispenseRequest.initialFill"}
    draft = clinic.get(asked.reference("draft"))
    clinic.put(draft | {"dosageInstruction": [{"text": "Take 2 tablets once a day"}]})
    answer = review(clinic, asked)
    found = [parts(each) for each in answer.all("change")]
    assert {
        "path": "dosageInstruction[0].text",
        "before": "Take 1 tablet once a day",
        "after": "Take 2 tablets once a day",
    } in found
    assert answer.reference("draft").endswith("/_history/2")


def test_a_review_runs_the_checks_again(clinic: Clinic) -> None:
    asked = refill(clinic)
    clinic.put(allergy("p", "Lisinopril"))
    assert review(clinic, asked).checks["allergy"] == "block"
    assert asked.checks["allergy"] == "pass"


def test_the_checks_look_at_the_medicine_that_a_clinician_has_written_into_the_draft(clinic: Clinic) -> None:
    asked = refill(clinic)
    draft = clinic.get(asked.reference("draft"))
    clinic.put(draft | {"medicationCodeableConcept": {"text": "oxycodone 5 MG Oral Tablet"}})
    assert review(clinic, asked).checks["controlled"] == "block"
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 409
    clinic.put(draft | {"medicationCodeableConcept": {"text": "enalapril 10 MG Oral Tablet"}})
    assert review(clinic, asked).checks["controlled"] == "pass"
    signed = clinic.call(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    made = clinic.get(signed.reference("result"))
    assert made["medicationCodeableConcept"] == {"text": "enalapril 10 MG Oral Tablet"}


def test_a_review_of_what_was_blocked_says_why(clinic: Clinic) -> None:
    clinic.put(order() | {"status": "stopped"})
    answer = review(clinic, refill(clinic))
    assert answer.reference("draft") == ""
    assert answer.checks["active-order"] == "block"


def test_a_review_of_a_visit_looks_at_its_slot_as_it_is_now(clinic: Clinic) -> None:
    asked = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", reason="My knee")
    assert review(clinic, asked).checks["slot-free"] == "pass"
    clinic.put(slot("one", 1, status="busy"))
    assert review(clinic, asked).checks["slot-free"] == "block"


def test_a_review_writes_nothing_but_its_audit_event(clinic: Clinic) -> None:
    asked = refill(clinic)
    before, events = (
        clinic.counts(),
        len(clinic.found("AuditEvent", patient="Patient/p", subtype="operation")),
    )
    review(clinic, asked)
    assert clinic.counts() == before
    assert len(clinic.found("AuditEvent", patient="Patient/p", subtype="operation")) == events + 1


def test_a_task_about_no_draft_is_not_reviewed(clinic: Clinic) -> None:
    task = {"resourceType": "Task", "id": "t", "status": "requested", "intent": "order"}
    clinic.put(task | {"for": {"reference": "Patient/p"}})
    assert clinic.refused(clinic.clinician(), "review", "Task/t").problem.status == 422


def test_over_http_a_patient_neither_reviews_nor_signs_and_both_tries_are_recorded(clinic: Clinic) -> None:
    asked = refill(clinic)
    before = clinic.counts()
    with TestClient(create_app(clinic.service)) as client:
        client.headers["authorization"] = f"Bearer {issue_token(clinic.service, Role.PATIENT, 'p')}"
        looked = client.get(f"/fhir/{asked.reference('task')}/$review")
        signed = client.post(
            f"/fhir/{asked.reference('task')}/$sign-off",
            json={"resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": "approve"}]},
        )
        assert (looked.status_code, signed.status_code) == (403, 403)
        assert clinic.counts() == before
        refused = [each for each in clinic.found("AuditEvent") if each["outcome"] == "4"]
        assert len(refused) == 2


def test_what_is_withheld_from_a_clinician_is_not_told_by_the_review_the_task_or_the_sign_off(
    clinic: Clinic,
) -> None:
    clinic.put(allergy("p", "Lisinopril", **RESOLVED), denied("AllergyIntolerance", LEE))
    asked = refill(clinic)
    assert asked.checks["allergy"] == "warn"
    looked, open_to = review(clinic, asked), review(clinic, asked, OKAFOR)
    assert (looked.checks["allergy"], open_to.checks["allergy"]) == ("unknown", "warn")
    signed = clinic.call(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert signed.reference("result")
    assert signed.checks["allergy"] == "unknown"
    for told in (looked.body, signed.body, clinic.get(asked.reference("task"))):
        assert "allergic" not in str(told)
        assert "allergy in the record" not in str(told)
        assert "An allergy that" not in str(told)
        assert "AllergyIntolerance" not in str(told)
    assert "AllergyIntolerance/allergy-p" in str(open_to.body)


def test_what_is_withheld_from_a_clinician_still_stops_that_clinician(clinic: Clinic) -> None:
    clinic.put(denied("AllergyIntolerance", LEE))
    asked = refill(clinic)
    clinic.put(allergy("p", "Lisinopril"))
    before = clinic.counts()
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 409
    assert "allergy" not in str(refused)
    assert clinic.counts() == before
    open_to = clinic.refused(
        clinic.clinician(OKAFOR), "sign-off", asked.reference("task"), decision="approve"
    )
    assert "allergy" in str(open_to)


def test_a_task_is_as_restricted_as_what_the_checks_found_at_the_sign_off(clinic: Clinic) -> None:
    asked = refill(clinic)
    clinic.put(allergy("p", "Lisinopril", **RESOLVED, meta={"security": [RESTRICTED]}))
    clinic.call(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert RESTRICTED in clinic.get(asked.reference("task"))["meta"]["security"]


def test_a_check_on_what_the_assistant_may_not_use_says_that_it_could_not_be_made(clinic: Clinic) -> None:
    clinic.put(allergy("p", "Lisinopril"), denied("AllergyIntolerance", "Patient/p"))
    asked = refill(clinic)
    (check,) = [parts(each) for each in asked.all("check") if parts(each)["name"] == "allergy"]
    assert check["result"] == "unknown"
    assert "could not be checked" in check["text"]
    assert "Lisinopril" not in str(asked.body)
    assert asked.reference("draft")
    assert review(clinic, asked).checks["allergy"] == "block"

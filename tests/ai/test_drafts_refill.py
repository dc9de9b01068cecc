"""$draft-refill on a real database: what is written, what is told, and what is refused.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ai_layer.drafts.checks import REFILL_CHECKS
from fhir_server.access.actor import Actor
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from tests.unit.drafts.clinic import Clinic, allergy, clinic_on, day, order, record

Json = dict[str, Any]


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record())
        yield found


def test_a_draft_comes_with_its_task_and_its_provenance(clinic: Clinic) -> None:
    answer = clinic.call(
        clinic.patient(), "draft-refill", "MedicationRequest/order-p", note="Before my holiday, please"
    )
    assert answer.checks == dict.fromkeys(REFILL_CHECKS, "pass")
    draft, task = clinic.get(answer.reference("draft")), clinic.get(answer.reference("task"))
    assert (draft["status"], draft["intent"]) == ("draft", "proposal")
    assert draft["priorPrescription"] == {"reference": "MedicationRequest/order-p"}
    assert draft["meta"]["security"][0]["code"] == "AIAST"
    assert (task["status"], task["intent"]) == ("requested", "proposal")
    assert task["focus"] == {"reference": answer.reference("draft")}
    assert task["for"] == task["requester"] == {"reference": "Patient/p"}
    assert task["basedOn"] == [{"reference": "MedicationRequest/order-p/_history/1"}]
    assert task["note"][0]["text"] == "Before my holiday, please"
    assert task["description"] == "A refill was asked for; a draft waits for sign-off."
    assert [each["type"]["coding"][0]["code"] for each in task["input"]] == list(REFILL_CHECKS)
    (proof,) = clinic.found("Provenance", target=answer.reference("draft"))
    (agent,) = proof["agent"]
    assert agent["type"]["coding"][0]["code"] == "author"
    device = clinic.get(agent["who"]["reference"])
    assert device["deviceName"][0]["name"]
    assert device["version"][0]["value"]
    assert {"reference": "MedicationRequest/order-p/_history/1"} in [each["what"] for each in proof["entity"]]


def test_a_draft_says_what_the_order_says_and_nothing_else(clinic: Clinic) -> None:
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    draft, source = clinic.get(answer.reference("draft")), order()
    for name in ("medicationCodeableConcept", "subject", "dosageInstruction"):
        assert draft[name] == source[name]
    wanted = {"numberOfRepeatsAllowed", "quantity", "expectedSupplyDuration"}
    assert draft["dispenseRequest"] == {name: source["dispenseRequest"][name] for name in wanted}
    own = {"resourceType", "id", "meta", "status", "intent", "authoredOn", "priorPrescription"}
    assert draft.keys() - own == {
        "medicationCodeableConcept",
        "subject",
        "dosageInstruction",
        "dispenseRequest",
    }


def test_a_medication_inside_the_order_comes_along(clinic: Clinic) -> None:
    inner = order(
        id="inner",
        contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "lisinopril 10 mg"}}],
    )
    del inner["medicationCodeableConcept"]
    clinic.put(inner | {"medicationReference": {"reference": "#m"}})
    clinic.put(order() | {"status": "stopped"})
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/inner")
    draft = clinic.get(answer.reference("draft"))
    assert draft["contained"] == inner["contained"]
    assert answer.checks["controlled"] == "pass"


def test_a_medication_of_its_own_is_read(clinic: Clinic) -> None:
    clinic.put({"resourceType": "Medication", "id": "m", "code": {"text": "oxycodone 10 mg"}})
    other = order(id="other")
    del other["medicationCodeableConcept"]
    clinic.put(other | {"medicationReference": {"reference": "Medication/m"}})
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/other")
    assert answer.checks["controlled"] == "block"


def test_what_blocks_makes_a_task_and_no_draft(clinic: Clinic) -> None:
    clinic.put(allergy("p", "Lisinopril"))
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    assert answer.reference("draft") == ""
    assert answer.checks["allergy"] == "block"
    task = clinic.get(answer.reference("task"))
    assert "focus" not in task
    assert task["description"] == "A refill was asked for; no draft was made, blocked by: allergy."
    assert not clinic.found("MedicationRequest", status="draft")
    told = next(each for each in task["input"] if each["type"]["coding"][0]["code"] == "allergy")
    assert {each["valueReference"]["reference"] for each in told["extension"]} == {
        "AllergyIntolerance/allergy-p/_history/1",
        "MedicationRequest/order-p/_history/1",
    }


def test_asking_again_for_what_is_blocked_adds_to_the_same_task(clinic: Clinic) -> None:
    clinic.put(allergy("p", "Lisinopril"))
    first = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p", note="Please")
    second = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p", note="It is urgent")
    assert first.reference("task") == second.reference("task")
    notes = clinic.get(first.reference("task"))["note"]
    assert [each["text"] for each in notes] == ["Please", "It is urgent"]


@pytest.mark.parametrize("status", ["stopped", "cancelled", "completed", "on-hold", "entered-in-error"])
def test_only_an_active_order_is_renewed(clinic: Clinic, status: str) -> None:
    clinic.put(order() | {"status": status})
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    assert answer.checks["active-order"] == "block"
    assert answer.reference("draft") == ""


def test_of_one_order_there_is_one_open_draft(clinic: Clinic) -> None:
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    before = clinic.counts()
    refused = clinic.refused(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    assert refused.problem.status == 409
    assert answer.reference("draft") in str(refused)
    assert clinic.counts() == before


def test_an_order_of_somebody_else_is_not_there(clinic: Clinic) -> None:
    clinic.put({"resourceType": "Patient", "id": "other"}, order("other"))
    before = clinic.counts()
    assert (
        clinic.refused(clinic.patient(), "draft-refill", "MedicationRequest/order-other").problem.status
        == 404
    )
    assert clinic.counts() == before


def test_a_token_bound_to_one_patient_drafts_for_no_other(clinic: Clinic) -> None:
    clinic.put({"resourceType": "Patient", "id": "other"}, order("other"))
    bound = clinic.context(replace(Actor.clinician("Practitioner/lee"), patient="p"))
    assert clinic.refused(bound, "draft-refill", "MedicationRequest/order-other").problem.status == 403
    assert not clinic.found("Task")


def test_a_refusal_leaves_its_audit_event(clinic: Clinic) -> None:
    clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    clinic.refused(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    events = clinic.found("AuditEvent", patient="Patient/p", subtype="operation")
    assert sorted(event["outcome"] for event in events) == ["0", "4"]


def test_a_note_of_the_wrong_form_or_length_is_refused(clinic: Clinic) -> None:
    address = "MedicationRequest/order-p"
    assert clinic.refused(clinic.patient(), "draft-refill", address, note="x" * 2001).problem.status == 413
    assert (
        clinic.refused(clinic.patient(), "draft-refill", address, note={"reference": "a"}).problem.status
        == 400
    )


def test_without_a_consent_that_permits_it_nothing_is_drafted(dsn: str) -> None:
    with clinic_on(dsn, consent="opt-in") as clinic:
        clinic.put(*record())
        before = clinic.counts()
        assert (
            clinic.refused(clinic.patient(), "draft-refill", "MedicationRequest/order-p").problem.status
            == 403
        )
        assert clinic.counts() == before


def test_what_a_parent_vouched_for_is_not_the_parent_s(clinic: Clinic) -> None:
    child = allergy("child", "Lisinopril", asserter={"reference": "Patient/p"})
    clinic.put({"resourceType": "Patient", "id": "child"}, child)
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    assert answer.checks["allergy"] == "pass"


SCOPES = "patient/MedicationRequest.rs patient/Patient.rs patient/MedicationDispense.rs"


def test_an_app_is_not_told_what_its_token_does_not_reach(clinic: Clinic) -> None:
    clinic.put(allergy("p", "Lisinopril"))
    answer = clinic.call(clinic.app(SCOPES), "draft-refill", "MedicationRequest/order-p")
    assert answer.reference("draft") == ""
    assert answer.checks["allergy"] == answer.checks["monitoring"] == "unknown"
    assert answer.checks["repeats"] == "pass"
    assert "Lisinopril" not in str(answer.body)
    assert "AllergyIntolerance" not in str(answer.body)
    told = clinic.get(answer.reference("task"))["input"]
    assert [each["type"]["text"] for each in told if each["type"]["coding"][0]["code"] == "allergy"] == [
        "block"
    ]


def test_a_draft_is_as_restricted_as_what_it_is_made_from(clinic: Clinic) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    clinic.put(order(meta={"security": [label]}))
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    for name in ("draft", "task"):
        assert label in clinic.get(answer.reference(name))["meta"]["security"]


def test_searches_leave_the_draft_out_unless_they_ask_for_it(clinic: Clinic) -> None:
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    draft = answer.reference("draft").partition("/")[2]

    def found(*pairs: tuple[str, str]) -> list[str]:
        bundle = json.decode_object(search(clinic.patient(), "MedicationRequest", pairs).body or b"{}")
        return [entry["resource"]["id"] for entry in bundle.get("entry", ())]

    assert draft not in found(("patient", "Patient/p"))
    assert draft in found(("status", "draft"))
    assert draft in found(("_id", draft))
    assert draft in found(("_security", "AIAST"))


def test_an_order_for_a_group_is_refused(clinic: Clinic) -> None:
    clinic.put({"resourceType": "Group", "id": "g", "type": "person", "actual": True})
    clinic.put(order(id="grouped", subject={"reference": "Group/g"}))
    with pytest.raises(FhirError) as refused:
        clinic.call(clinic.clinician(), "draft-refill", "MedicationRequest/grouped")
    assert refused.value.problem.status == 422


def test_the_checks_of_a_record_in_disorder_say_so(clinic: Clinic) -> None:
    clinic.put(
        order(dispenseRequest={"numberOfRepeatsAllowed": 0, "validityPeriod": {"end": day(-1)[:10]}}),
        order(id="twice"),
    )
    answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    checks = {name: result for name, result in answer.checks.items() if result != "pass"}
    assert checks == {"repeats": "warn", "validity": "warn", "duplicate": "warn"}
    assert answer.reference("draft")


def consent(*denied: str) -> Json:
    """Permits the patient's own requests; not on resources of these types."""
    reasons, types = (
        "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "http://hl7.org/fhir/resource-types",
    )
    codes = [{"system": types, "code": kind} for kind in denied]
    provision: Json = {"type": "permit", "purpose": [{"system": reasons, "code": "PATRQT"}]}
    if codes:
        provision["provision"] = [{"type": "deny", "class": codes}]
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"},
        "policyRule": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]
        },
        "provision": provision,
    }


def test_a_consent_that_permits_it_is_enough(dsn: str) -> None:
    with clinic_on(dsn, consent="opt-in") as clinic:
        clinic.put(*record(), consent())
        answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
        assert set(answer.checks.values()) == {"pass"}


def test_what_a_consent_withholds_is_not_looked_at_and_lets_no_check_pass(dsn: str) -> None:
    with clinic_on(dsn, consent="opt-in") as clinic:
        clinic.put(*record(), allergy("p", "Lisinopril"), consent("AllergyIntolerance", "Observation"))
        answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
        assert {name for name, result in answer.checks.items() if result != "pass"} == {
            "allergy",
            "pregnancy",
            "monitoring",
        }
        assert answer.checks["allergy"] == "unknown"
        assert "Lisinopril" not in str(clinic.get(answer.reference("task")))


def test_an_order_that_a_consent_withholds_is_not_drafted(dsn: str) -> None:
    with clinic_on(dsn, consent="opt-in") as clinic:
        clinic.put(*record(), consent("MedicationRequest"))
        refused = clinic.refused(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
        assert refused.problem.status == 403

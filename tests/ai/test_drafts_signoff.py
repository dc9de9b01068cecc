"""Task/$sign-off on a real database: approve, reject, and everything that stands in the way.

https://hl7.org/fhir/R4/task.html#statemachine
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ai_layer.drafts.signoff import sign_off
from fhir_server.access.actor import Actor
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.delete import delete
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4.outcome import FhirError
from tests.unit.drafts.clinic import LEE, Answer, Clinic, allergy, clinic_on, day, diary, order, record, slot

Json = dict[str, Any]


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record(), *diary(), slot("one", 1), slot("two", 2))
        yield found


def refill(clinic: Clinic) -> Answer:
    return clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p", note="Please")


def visit(clinic: Clinic, patient: str = "p") -> Answer:
    return clinic.call(clinic.patient(patient), "draft-appointment", f"Patient/{patient}", serviceType="124")


def sign(clinic: Clinic, asked: Answer, decision: str = "approve", **values: Any) -> Answer:
    return clinic.call(clinic.clinician(), "sign-off", asked.reference("task"), decision=decision, **values)


def test_an_approved_refill_is_a_new_order_of_the_clinician(clinic: Clinic) -> None:
    asked = refill(clinic)
    clinic.later(hours=3)
    answer = sign(clinic, asked, note="As before")
    made, draft = clinic.get(answer.reference("result")), clinic.get(asked.reference("draft"))
    assert (made["status"], made["intent"]) == ("active", "order")
    assert made["basedOn"] == [{"reference": asked.reference("draft")}]
    assert made["priorPrescription"] == {"reference": "MedicationRequest/order-p"}
    assert made["requester"] == {"reference": LEE}
    assert made["authoredOn"].startswith(day(0.125)[:16])
    assert made["dosageInstruction"] == order()["dosageInstruction"]
    assert "security" not in made["meta"]
    assert (draft["status"], draft["intent"]) == ("completed", "proposal")
    assert answer.checks["active-order"] == "pass"
    assert clinic.get("MedicationRequest/order-p")["meta"]["versionId"] == "1"


def test_an_approval_closes_the_task_and_proves_who_decided(clinic: Clinic) -> None:
    asked = refill(clinic)
    answer = sign(clinic, asked, note="As before")
    task = clinic.get(asked.reference("task"))
    assert task["status"] == "completed"
    assert task["owner"] == {"reference": LEE}
    assert task["output"][0]["valueReference"]["reference"] == answer.reference("result")
    assert [each["text"] for each in task["note"]] == ["Please", "As before"]
    (proof,) = clinic.found("Provenance", target=answer.reference("result"))
    agents = {each["type"]["coding"][0]["code"]: each["who"]["reference"] for each in proof["agent"]}
    assert agents["verifier"] == LEE
    assert agents["author"].startswith("Device/")
    assert proof["entity"][0]["what"] == {"reference": f"{asked.reference('draft')}/_history/1"}
    events = clinic.found("AuditEvent", entity=answer.reference("result"))
    assert [each["outcome"] for each in events] == ["0"]


def test_an_approved_visit_is_booked_and_its_slot_is_busy(clinic: Clinic) -> None:
    asked = visit(clinic)
    answer = sign(clinic, asked)
    booked = clinic.get(asked.reference("draft"))
    assert answer.reference("result") == asked.reference("draft")
    assert booked["status"] == "booked"
    assert {each["status"] for each in booked["participant"]} == {"accepted"}
    assert [each["code"] for each in booked["meta"]["security"]] == ["AIAST", "CLINAST"]
    assert clinic.get("Slot/one")["status"] == "busy"
    assert clinic.get("Slot/two")["status"] == "free"
    assert clinic.found("Appointment", patient="Patient/p")


def test_a_visit_that_a_clinician_asked_for_is_not_accepted_for_the_patient(clinic: Clinic) -> None:
    asked = clinic.call(clinic.clinician(), "draft-appointment", "Patient/p")
    sign(clinic, asked)
    people = clinic.get(asked.reference("draft"))["participant"]
    assert {each["actor"]["reference"]: each["status"] for each in people} == {
        "Patient/p": "needs-action",
        LEE: "accepted",
    }


@pytest.mark.parametrize("kind", ["refill", "visit"])
def test_a_rejected_draft_is_cancelled_and_nothing_else_happens(clinic: Clinic, kind: str) -> None:
    asked = refill(clinic) if kind == "refill" else visit(clinic)
    answer = sign(clinic, asked, "reject", note="Come and see me first")
    assert answer.reference("result") == asked.reference("draft")
    assert clinic.get(asked.reference("draft"))["status"] == "cancelled"
    task = clinic.get(asked.reference("task"))
    assert (task["status"], task["statusReason"]) == ("rejected", {"text": "Come and see me first"})
    proofs = clinic.found("Provenance", target=asked.reference("draft"))
    assert sorted(each["activity"]["coding"][0]["code"] for each in proofs) == ["CREATE", "deprecate"]
    assert clinic.get("Slot/one")["status"] == "free"
    assert [each["id"] for each in clinic.found("MedicationRequest", status="active")] == ["order-p"]


def test_after_a_rejection_a_new_draft_may_be_made(clinic: Clinic) -> None:
    sign(clinic, refill(clinic), "reject")
    assert refill(clinic).reference("draft")


def test_after_an_approval_the_old_order_is_not_renewed_again(clinic: Clinic) -> None:
    made = sign(clinic, refill(clinic)).reference("result")
    again = refill(clinic)
    assert again.checks["active-order"] == "block"
    other = clinic.call(clinic.patient(), "draft-refill", made)
    assert other.reference("draft")
    assert other.checks["duplicate"] == "pass"


def test_nobody_but_a_clinician_signs(clinic: Clinic) -> None:
    asked = refill(clinic)
    before = clinic.counts()
    for context in (clinic.patient(), clinic.system):
        refused = clinic.refused(context, "sign-off", asked.reference("task"), decision="approve")
        assert refused.problem.status == 403
    assert clinic.counts() == before


def test_the_handler_itself_refuses_who_is_not_a_clinician(clinic: Clinic) -> None:
    asked = refill(clinic)
    request = OperationRequest("Task", asked.reference("task").partition("/")[2], {})
    with pytest.raises(FhirError) as refused:
        sign_off(clinic.system, request)
    assert refused.value.problem.status == 403


def test_a_clinician_s_app_that_may_not_write_orders_approves_none(clinic: Clinic) -> None:
    asked = refill(clinic)
    narrow = replace(Actor.clinician(LEE), scopes=parse_scopes("user/Task.cruds user/MedicationRequest.rs"))
    refused = clinic.refused(clinic.context(narrow), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 403
    assert clinic.get(asked.reference("draft"))["status"] == "draft"


@pytest.mark.parametrize(
    ("status", "is_open"),
    [("accepted", True), ("in-progress", True), ("completed", False), ("cancelled", False)],
)
def test_a_task_that_was_taken_up_can_be_decided_and_one_that_was_closed_cannot(
    clinic: Clinic, status: str, is_open: bool
) -> None:
    asked = refill(clinic)
    clinic.put(clinic.get(asked.reference("task")) | {"status": status})
    if is_open:
        assert sign(clinic, asked).reference("result")
    else:
        refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
        assert refused.problem.status == 409


def test_a_task_is_decided_once(clinic: Clinic) -> None:
    asked = refill(clinic)
    sign(clinic, asked)
    before = clinic.counts()
    for decision in ("approve", "reject"):
        refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision=decision)
        assert refused.problem.status == 409
    assert clinic.counts() == before


def stop_order(clinic: Clinic) -> None:
    clinic.put(order() | {"status": "stopped"})


def change_order(clinic: Clinic) -> None:
    clinic.put(order(dosageInstruction=[{"text": "Take 2 tablets once a day"}]))


def renew_order(clinic: Clinic) -> None:
    clinic.put(order(id="newer", priorPrescription={"reference": "MedicationRequest/order-p"}))


def find_allergy(clinic: Clinic) -> None:
    clinic.put(allergy("p", "Lisinopril"))


def bury(clinic: Clinic) -> None:
    clinic.put({**record()[0], "deceasedDateTime": day(-1)})


def delete_draft(clinic: Clinic) -> None:
    (draft,) = clinic.found("MedicationRequest", status="draft")
    delete(clinic.system, "MedicationRequest", draft["id"])


def delete_order(clinic: Clinic) -> None:
    delete(clinic.system, "MedicationRequest", "order-p")


MEANWHILE = [stop_order, change_order, renew_order, find_allergy, bury, delete_draft, delete_order]


@pytest.mark.parametrize("happens", MEANWHILE, ids=[each.__name__ for each in MEANWHILE])
def test_what_happened_meanwhile_stops_an_approval(clinic: Clinic, happens: Any) -> None:
    asked = refill(clinic)
    happens(clinic)
    before = clinic.counts()
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status in (409, 422)
    assert clinic.counts() == before
    assert clinic.get(asked.reference("task"))["status"] == "requested"


def test_a_new_version_of_the_order_that_says_the_same_stops_nothing(clinic: Clinic) -> None:
    asked = refill(clinic)
    clinic.put(order(identifier=[{"system": "http://pharmacy.example", "value": "rx-2"}]))
    assert sign(clinic, asked).reference("result")


def take_slot(clinic: Clinic) -> None:
    clinic.put(slot("one", 1, status="busy"))


def delete_slot(clinic: Clinic) -> None:
    delete(clinic.system, "Slot", "one")


def book_elsewhere(clinic: Clinic) -> None:
    clinic.put(booked("Patient/p"))


def book_practitioner(clinic: Clinic) -> None:
    clinic.put(booked(LEE))


def close_schedule(clinic: Clinic) -> None:
    clinic.put(diary()[1] | {"active": False})


def wait(clinic: Clinic) -> None:
    clinic.later(days=2)


def booked(actor: str) -> Json:
    """A visit at the time of the first Slot."""
    return {
        "resourceType": "Appointment",
        "id": "elsewhere",
        "status": "booked",
        "start": day(1.01),
        "end": day(1.05),
        "participant": [{"actor": {"reference": actor}, "status": "accepted"}],
    }


TAKEN = [take_slot, delete_slot, book_elsewhere, book_practitioner, close_schedule, wait]


@pytest.mark.parametrize("happens", TAKEN, ids=[each.__name__ for each in TAKEN])
def test_a_slot_that_will_not_do_any_more_stops_an_approval(clinic: Clinic, happens: Any) -> None:
    asked = visit(clinic)
    happens(clinic)
    before = clinic.counts()
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 409
    assert clinic.counts() == before


def test_of_two_drafts_for_a_slot_one_is_booked(clinic: Clinic) -> None:
    clinic.put(slot("two", 2, status="busy"), *record("q"))
    first, second = visit(clinic), visit(clinic, "q")
    assert clinic.get(first.reference("draft"))["slot"] == clinic.get(second.reference("draft"))["slot"]
    sign(clinic, first)
    refused = clinic.refused(clinic.clinician(), "sign-off", second.reference("task"), decision="approve")
    assert refused.problem.status == 409
    assert clinic.get(second.reference("draft"))["status"] == "proposed"


def test_a_decision_on_a_version_that_is_no_longer_current_is_refused(clinic: Clinic) -> None:
    asked = refill(clinic)
    draft = clinic.get(asked.reference("draft"))
    seen = {"reference": f"{asked.reference('draft')}/_history/1"}
    clinic.put(draft | {"note": [{"text": "edited"}]})
    refused = clinic.refused(
        clinic.clinician(), "sign-off", asked.reference("task"), decision="approve", draft=seen
    )
    assert refused.problem.status == 409
    now = {"reference": f"{asked.reference('draft')}/_history/2"}
    assert sign(clinic, asked, draft=now).reference("result")


def with_a_stale_version(clinic: Clinic, asked: Answer) -> FhirError:
    seen = {"reference": f"{asked.reference('draft')}/_history/1"}
    clinic.put(clinic.get(asked.reference("draft")) | {"note": [{"text": "edited"}]})
    task = asked.reference("task")
    return clinic.refused(clinic.clinician(), "sign-off", task, decision="approve", draft=seen)


def after_the_order_was_stopped(clinic: Clinic, asked: Answer) -> FhirError:
    stop_order(clinic)
    return clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")


def a_second_time(clinic: Clinic, asked: Answer) -> FhirError:
    sign(clinic, asked, "reject")
    return clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")


REFUSED = [with_a_stale_version, after_the_order_was_stopped, a_second_time]


@pytest.mark.parametrize("act", REFUSED, ids=[each.__name__ for each in REFUSED])
def test_a_refused_sign_off_says_why_changes_nothing_and_leaves_its_audit_event(
    clinic: Clinic, act: Any
) -> None:
    asked = refill(clinic)
    refused = act(clinic, asked)
    assert refused.problem.status == 409
    assert str(refused)
    assert [each["id"] for each in clinic.found("MedicationRequest", status="active")] in ([], ["order-p"])
    events = clinic.found("AuditEvent", entity=asked.reference("task"), subtype="operation")
    assert [each["outcome"] for each in events].count("4") == 1


def test_a_clinician_may_edit_a_draft_before_the_decision(clinic: Clinic) -> None:
    asked = refill(clinic)
    draft = clinic.get(asked.reference("draft"))
    draft["dispenseRequest"]["numberOfRepeatsAllowed"] = 1
    clinic.put(draft)
    made = clinic.get(sign(clinic, asked).reference("result"))
    assert made["dispenseRequest"]["numberOfRepeatsAllowed"] == 1


def test_a_draft_that_was_moved_to_another_patient_is_not_signed(clinic: Clinic) -> None:
    clinic.put(*record("q"))
    asked = refill(clinic)
    clinic.put(clinic.get(asked.reference("draft")) | {"subject": {"reference": "Patient/q"}})
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 409


@pytest.mark.parametrize("decision", ["", "maybe", "APPROVE"])
def test_a_decision_is_approve_or_reject(clinic: Clinic, decision: str) -> None:
    asked = refill(clinic)
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision=decision)
    assert refused.problem.status == 400


def test_a_task_without_a_draft_is_not_signed(clinic: Clinic) -> None:
    stop_order(clinic)
    asked = refill(clinic)
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 422
    missing = clinic.refused(clinic.clinician(), "sign-off", "Task/nothing", decision="approve")
    assert missing.problem.status == 404

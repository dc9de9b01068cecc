"""Moving, cancelling and answering a booked visit: a clinician decides, and the Slots say so.

https://hl7.org/fhir/R4/appointment.html and https://hl7.org/fhir/R4/appointmentresponse.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.drafts.clinic import LEE, OKAFOR, Answer, Clinic, clinic_on, day, diary, record, slot

Json = dict[str, Any]


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record(), *diary(), slot("one", 1), slot("two", 2))
        yield found


def booked(clinic: Clinic, patient: str = "p") -> str:
    """A visit on the first Slot that is free, asked for, signed and booked: `Appointment/id`."""
    asked = clinic.call(clinic.patient(patient), "draft-appointment", f"Patient/{patient}")
    sign(clinic, asked)
    return asked.reference("draft")


def sign(clinic: Clinic, asked: Answer, decision: str = "approve", who: str = LEE) -> Answer:
    return clinic.call(clinic.clinician(who), "sign-off", asked.reference("task"), decision=decision)


def move(clinic: Clinic, visit: str, **values: Any) -> Answer:
    replaces = {"reference": visit}
    return clinic.call(clinic.patient(), "draft-appointment", "Patient/p", replaces=replaces, **values)


def slots(clinic: Clinic) -> dict[str, str]:
    """Id -> status."""
    return {each["id"]: each["status"] for each in clinic.found("Slot")}


def test_a_move_that_is_signed_books_the_new_hour_and_gives_the_old_one_back(clinic: Clinic) -> None:
    visit = booked(clinic)
    asked = move(clinic, visit)
    assert clinic.get(visit)["status"] == "booked"
    assert slots(clinic) == {"one": "busy", "two": "free"}
    assert clinic.get(asked.reference("task"))["basedOn"][0]["reference"].startswith(visit)
    sign(clinic, asked)
    assert clinic.get(asked.reference("draft"))["status"] == "booked"
    assert (clinic.get(visit)["status"], clinic.get(visit)["cancelationReason"]) == (
        "cancelled",
        {"text": "Moved to another time."},
    )
    assert slots(clinic) == {"one": "free", "two": "busy"}
    (proof,) = clinic.found("Provenance", target=visit, _sort="-recorded")[:1]
    assert {each["reference"].partition("/_history/")[0] for each in proof["target"]} == {
        asked.reference("draft"),
        visit,
        "Slot/one",
        "Slot/two",
    }


def test_a_move_to_an_hour_beside_the_old_one_is_no_overlap_with_itself(clinic: Clinic) -> None:
    visit = booked(clinic)
    clinic.put(slot("beside", 1.01, "okafor"))
    asked = move(clinic, visit, practitioner={"reference": OKAFOR})
    assert asked.checks["no-overlap"] == "pass"
    sign(clinic, asked)
    assert slots(clinic) == {"one": "free", "two": "free", "beside": "busy"}


def test_a_rejected_move_leaves_the_visit_where_it_is(clinic: Clinic) -> None:
    visit = booked(clinic)
    sign(clinic, move(clinic, visit), "reject")
    assert clinic.get(visit)["status"] == "booked"
    assert slots(clinic) == {"one": "busy", "two": "free"}


def test_a_slot_that_another_visit_holds_as_well_is_not_given_back(clinic: Clinic) -> None:
    visit = booked(clinic)
    other = clinic.get(visit) | {
        "id": "beside",
        "participant": [{"actor": {"reference": OKAFOR}, "status": "accepted"}],
    }
    clinic.put({name: value for name, value in other.items() if name != "meta"})
    sign(clinic, move(clinic, visit))
    assert slots(clinic) == {"one": "busy", "two": "busy"}


@pytest.mark.parametrize("status", ["cancelled", "fulfilled", "noshow"])
def test_a_visit_that_is_not_booked_is_neither_moved_nor_cancelled(clinic: Clinic, status: str) -> None:
    visit = booked(clinic)
    clinic.put(clinic.get(visit) | {"status": status})
    before = clinic.counts()
    moved = clinic.refused(clinic.patient(), "draft-appointment", "Patient/p", replaces={"reference": visit})
    assert moved.problem.status == 409
    assert clinic.refused(clinic.patient(), "draft-cancellation", visit).problem.status == 409
    assert clinic.counts() == before


def test_a_visit_of_the_past_is_neither_moved_nor_cancelled(clinic: Clinic) -> None:
    visit = booked(clinic)
    clinic.later(days=1.5)
    moved = clinic.refused(clinic.patient(), "draft-appointment", "Patient/p", replaces={"reference": visit})
    assert moved.problem.status == 409
    assert clinic.refused(clinic.patient(), "draft-cancellation", visit).problem.status == 409


def test_a_visit_of_somebody_else_is_neither_moved_cancelled_nor_answered(clinic: Clinic) -> None:
    clinic.put(*record("q"))
    visit = booked(clinic, "q")
    refused = clinic.refused(
        clinic.patient(), "draft-appointment", "Patient/p", replaces={"reference": visit}
    )
    assert refused.problem.status == 422
    assert clinic.refused(clinic.patient(), "draft-cancellation", visit).problem.status in (403, 404)
    answer = clinic.refused(clinic.patient(), "respond", visit, response="declined")
    assert answer.problem.status in (403, 404)
    assert clinic.get(visit)["meta"]["versionId"] == "2"


def test_a_cancellation_waits_for_a_clinician_and_then_frees_the_hour(clinic: Clinic) -> None:
    visit = booked(clinic)
    asked = clinic.call(clinic.patient(), "draft-cancellation", visit, reason="I am away")
    task = clinic.get(asked.reference("task"))
    assert (task["status"], task["intent"], task["focus"]) == ("requested", "proposal", {"reference": visit})
    assert task["note"][0]["text"] == "I am away"
    assert clinic.get(visit)["status"] == "booked"
    looked = clinic.call(clinic.clinician(), "review", asked.reference("task"))
    assert looked.reference("draft") == f"{visit}/_history/2"
    answer = sign(clinic, asked)
    assert answer.reference("result") == visit
    assert clinic.get(visit)["status"] == "cancelled"
    assert slots(clinic) == {"one": "free", "two": "free"}
    assert clinic.get(asked.reference("task"))["status"] == "completed"


def test_a_cancellation_that_is_asked_for_twice_is_one_task(clinic: Clinic) -> None:
    visit = booked(clinic)
    first = clinic.call(clinic.patient(), "draft-cancellation", visit, reason="I am away")
    second = clinic.call(clinic.patient(), "draft-cancellation", visit, reason="Still away")
    assert first.reference("task") == second.reference("task")
    assert [each["text"] for each in clinic.get(first.reference("task"))["note"]] == [
        "I am away",
        "Still away",
    ]


def test_a_rejected_cancellation_changes_nothing_and_is_recorded(clinic: Clinic) -> None:
    visit = booked(clinic)
    asked = clinic.call(clinic.patient(), "draft-cancellation", visit)
    sign(clinic, asked, "reject")
    assert clinic.get(visit)["status"] == "booked"
    assert slots(clinic) == {"one": "busy", "two": "free"}
    assert clinic.get(asked.reference("task"))["status"] == "rejected"
    assert clinic.found("AuditEvent", entity=asked.reference("task"), subtype="operation")


def test_nobody_but_a_clinician_signs_a_cancellation(clinic: Clinic) -> None:
    visit = booked(clinic)
    task = clinic.call(clinic.patient(), "draft-cancellation", visit).reference("task")
    for who in (clinic.patient(), clinic.system):
        assert clinic.refused(who, "sign-off", task, decision="approve").problem.status == 403
    assert clinic.get(visit)["status"] == "booked"


def test_a_cancellation_of_a_visit_that_was_moved_meanwhile_is_refused(clinic: Clinic) -> None:
    visit = booked(clinic)
    cancelling = clinic.call(clinic.patient(), "draft-cancellation", visit)
    sign(clinic, move(clinic, visit))
    refused = clinic.refused(clinic.clinician(), "sign-off", cancelling.reference("task"), decision="approve")
    assert refused.problem.status == 409
    assert slots(clinic) == {"one": "free", "two": "busy"}


@pytest.mark.parametrize("answer", ["accepted", "declined", "tentative"])
def test_a_participant_s_answer_is_an_appointment_response(clinic: Clinic, answer: str) -> None:
    asked = clinic.call(clinic.clinician(), "draft-appointment", "Patient/p")
    sign(clinic, asked)
    visit = asked.reference("draft")
    said = clinic.call(clinic.patient(), "respond", visit, response=answer, comment="By bus")
    made = clinic.get(said.reference("result"))
    assert made["appointment"] == {"reference": visit}
    assert (made["actor"], made["participantStatus"]) == ({"reference": "Patient/p"}, answer)
    assert (made["start"], made["comment"]) == (clinic.get(visit)["start"], "By bus")
    people = {each["actor"]["reference"]: each["status"] for each in clinic.get(visit)["participant"]}
    assert people == {"Patient/p": answer, LEE: "accepted"}
    assert clinic.get(visit)["status"] == "booked"
    assert slots(clinic)["one"] == "busy"


def test_a_draft_that_the_patient_declines_is_not_booked(clinic: Clinic) -> None:
    asked = clinic.call(clinic.patient(), "draft-appointment", "Patient/p")
    clinic.call(clinic.patient(), "respond", asked.reference("draft"), response="declined")
    before = clinic.counts()
    refused = clinic.refused(clinic.clinician(), "sign-off", asked.reference("task"), decision="approve")
    assert refused.problem.status == 409
    assert clinic.counts() == before
    assert clinic.get(asked.reference("draft"))["status"] == "proposed"


@pytest.mark.parametrize("response", ["", "perhaps", "needs-action"])
def test_an_answer_is_one_of_three(clinic: Clinic, response: str) -> None:
    visit = booked(clinic)
    assert clinic.refused(clinic.patient(), "respond", visit, response=response).problem.status == 400
    assert not clinic.found("AppointmentResponse")


def test_who_is_no_participant_answers_nothing(clinic: Clinic) -> None:
    visit = booked(clinic)
    refused = clinic.refused(clinic.clinician(OKAFOR), "respond", visit, response="accepted")
    assert refused.problem.status == 403
    assert clinic.get(visit)["meta"]["versionId"] == "2"


def test_a_visit_keeps_its_hour_across_a_change_of_the_clocks(clinic: Clinic) -> None:
    """The United States set their clocks back on 1 November 2026 at two: the hour from one to two comes twice."""
    first = {"start": "2026-11-01T01:30:00-04:00", "end": "2026-11-01T02:00:00-05:00"}
    second = {"start": "2026-11-01T02:00:00-05:00", "end": "2026-11-01T02:30:00-05:00"}
    clinic.put(slot("one", 1) | first, slot("two", 1) | second)
    visit = booked(clinic)
    assert clinic.get(visit)["start"] == first["start"]
    asked = move(clinic, visit, earliest="2026-11-01", latest="2026-11-01")
    sign(clinic, asked)
    assert clinic.get(asked.reference("draft"))["start"] == second["start"]
    assert day(0) < first["start"]

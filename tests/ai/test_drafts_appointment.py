"""$draft-appointment on a real database: which Slot, what is written, and what is refused.

https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.interactions.delete import delete
from tests.unit.drafts.clinic import LEE, OKAFOR, Clinic, clinic_on, day, denied, diary, record, slot

Json = dict[str, Any]


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(
            *record(),
            *diary(),
            slot("lee-2", 2),
            slot("lee-1", 1),
            slot("okafor-3", 3, "okafor"),
            slot("lee-4", 4),
        )
        yield found


def drafted(clinic: Clinic, **values: Any) -> tuple[Json, Any]:
    """The Appointment, and the whole answer."""
    answer = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", **values)
    return clinic.get(answer.reference("draft")), answer


def test_a_draft_proposes_the_earliest_free_slot_and_two_others(clinic: Clinic) -> None:
    draft, answer = drafted(clinic, reason="My knee hurts", serviceType="124", urgency="routine")
    assert draft["status"] == "proposed"
    assert draft["slot"] == [{"reference": "Slot/lee-1"}]
    assert (draft["start"], draft["end"]) == (slot("lee-1", 1)["start"], slot("lee-1", 1)["end"])
    assert [each["actor"]["reference"] for each in draft["participant"]] == ["Patient/p", LEE]
    assert {each["status"] for each in draft["participant"]} == {"needs-action"}
    assert draft["comment"] == "My knee hurts"
    assert draft["serviceType"][0]["coding"][0]["code"] == "124"
    assert draft["meta"]["security"][0]["code"] == "AIAST"
    assert answer.checks == dict.fromkeys(("slot-free", "no-overlap", "service", "urgency", "needs"), "pass")
    others = [each["part"][0]["valueReference"]["reference"] for each in answer.all("alternative")]
    assert others == ["Slot/lee-2", "Slot/lee-4"]


def test_a_draft_has_its_task_and_its_provenance_and_books_nothing(clinic: Clinic) -> None:
    draft, answer = drafted(clinic, urgency="urgent", serviceType="124")
    task = clinic.get(answer.reference("task"))
    assert (task["status"], task["intent"], task["priority"]) == ("requested", "proposal", "urgent")
    assert task["focus"]["reference"] == f"Appointment/{draft['id']}"
    assert task["for"] == {"reference": "Patient/p"}
    asked = {each["type"]["coding"][0]["code"]: each["valueString"] for each in task["input"][5:]}
    assert asked == {"serviceType": "124", "urgency": "urgent"}
    (proof,) = clinic.found("Provenance", target=f"Appointment/{draft['id']}")
    assert {"reference": "Slot/lee-1/_history/1"} in [each["what"] for each in proof["entity"]]
    assert clinic.get("Slot/lee-1")["status"] == "free"


def test_the_practitioner_who_is_asked_for(clinic: Clinic) -> None:
    draft, _ = drafted(clinic, practitioner={"reference": OKAFOR})
    assert draft["slot"] == [{"reference": "Slot/okafor-3"}]


def test_an_alternative_that_is_chosen_is_the_one(clinic: Clinic) -> None:
    _, first = drafted(clinic)
    chosen = first.all("alternative")[1]["part"][0]["valueReference"]
    clinic.call(clinic.patient(), "respond", first.reference("draft"), response="declined")
    draft, answer = drafted(clinic, slot=chosen)
    assert draft["slot"] == [chosen]
    assert answer.all("alternative") == []


def test_a_chosen_slot_that_is_taken_brings_no_other(clinic: Clinic) -> None:
    clinic.put(slot("lee-1", 1, status="busy"))
    asked = {"reference": "Slot/lee-1"}
    answer = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", slot=asked)
    assert answer.reference("draft") == ""
    assert answer.checks["slot-free"] == "block"


def test_the_service_that_is_asked_for(clinic: Clinic) -> None:
    draft, _ = drafted(clinic, serviceType="169")
    assert draft["slot"] == [{"reference": "Slot/okafor-3"}]


def test_the_times_that_are_asked_for(clinic: Clinic) -> None:
    draft, _ = drafted(clinic, earliest=day(1.5), latest=day(3.5))
    assert draft["slot"] == [{"reference": "Slot/lee-2"}]
    draft, _ = drafted(clinic, earliest=day(3)[:10], latest=day(3)[:10])
    assert draft["slot"] == [{"reference": "Slot/okafor-3"}]


def test_nothing_of_the_past_is_proposed(clinic: Clinic) -> None:
    clinic.put(slot("gone", -1), slot("now", 0))
    draft, _ = drafted(clinic, earliest=day(-5))
    assert draft["slot"] == [{"reference": "Slot/lee-1"}]


def test_a_slot_beside_another_visit_of_the_patient_is_left_out(clinic: Clinic) -> None:
    elsewhere = {
        "resourceType": "Appointment",
        "id": "elsewhere",
        "status": "booked",
        "start": day(1.01),
        "end": day(1.05),
        "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}],
    }
    clinic.put(elsewhere)
    draft, _ = drafted(clinic)
    assert draft["slot"] == [{"reference": "Slot/lee-2"}]


def test_a_slot_for_which_another_draft_asks_comes_last(clinic: Clinic) -> None:
    clinic.put(*record("q"))
    clinic.call(clinic.patient("q"), "draft-appointment", "Patient/q")
    draft, _ = drafted(clinic, serviceType="124")
    assert draft["slot"] == [{"reference": "Slot/lee-2"}]
    _, answer = drafted(clinic, latest=day(1.5), serviceType="124")
    assert answer.checks["slot-free"] == "warn"


def test_without_a_free_slot_the_care_team_is_asked(clinic: Clinic) -> None:
    answer = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", serviceType="999", reason="Eyes")
    assert answer.reference("draft") == ""
    assert answer.checks["slot-free"] == "block"
    task = clinic.get(answer.reference("task"))
    assert "focus" not in task
    assert task["description"] == "A visit was asked for; no draft was made, blocked by: slot-free."
    again = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", serviceType="999", reason="Eyes")
    assert again.reference("task") == answer.reference("task")
    other = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", serviceType="998")
    assert other.reference("task") != answer.reference("task")


def test_a_pressing_visit_without_a_near_slot_goes_to_a_person(clinic: Clinic) -> None:
    answer = clinic.call(
        clinic.patient(), "draft-appointment", "Patient/p", serviceType="169", urgency="asap"
    )
    assert answer.reference("draft") == ""
    assert answer.checks["urgency"] == "block"
    assert clinic.get(answer.reference("task"))["priority"] == "asap"


def test_the_place_and_the_specialty_that_are_asked_for(clinic: Clinic) -> None:
    rooms = {"resourceType": "Location", "id": "rooms", "name": "Rooms"}
    heart = [{"coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "207RC0000X"}]}]
    schedule = diary()[3] | {"specialty": heart}
    schedule["actor"] = [*schedule["actor"], {"reference": "Location/rooms"}]
    clinic.put(rooms, schedule)
    for values in ({"location": {"reference": "Location/rooms"}}, {"specialty": "207RC0000X"}):
        draft, _ = drafted(clinic, **values)
        assert draft["slot"] == [{"reference": "Slot/okafor-3"}]
        clinic.put(draft | {"comment": "still waits"})
        delete(clinic.system, "Appointment", draft["id"])


def test_what_the_record_says_of_language_and_wheelchair_is_looked_at(clinic: Clinic) -> None:
    french = [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr-FR"}]}, "preferred": True}]
    spoken = [{"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]}]
    clinic.put(record()[0] | {"communication": french}, diary()[2] | {"communication": spoken})
    draft, answer = drafted(clinic)
    assert draft["slot"] == [{"reference": "Slot/okafor-3"}]
    assert answer.checks["needs"] == "pass"
    chair = {"resourceType": "Condition", "id": "chair", "subject": {"reference": "Patient/p"}}
    clinic.put(chair | {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "105503008"}]}})
    _, answer = drafted(clinic)
    assert answer.checks["needs"] == "unknown"


@pytest.mark.parametrize("words", ["I have crushing chest pain and cannot breathe", "I want to kill myself"])
def test_words_of_an_emergency_bring_advice_and_a_person_and_no_visit(clinic: Clinic, words: str) -> None:
    answer = clinic.call(clinic.patient(), "draft-appointment", "Patient/p", reason=words)
    assert answer.reference("draft") == ""
    (check,) = [each for each in answer.all("check") if each["part"][0]["valueCode"] == "urgency"]
    assert check["part"][1]["valueCode"] == "block"
    assert re.search(r"\b(911|988)\b", check["part"][2]["valueString"])
    task = clinic.get(answer.reference("task"))
    assert (task["priority"], "focus" in task) == ("stat", False)
    assert task["note"][0]["text"] == words
    assert not clinic.found("Appointment")


def test_an_app_is_told_the_advice_whatever_its_token_reaches(clinic: Clinic) -> None:
    app = clinic.app("patient/Patient.rs")
    words = "I have crushing chest pain and cannot breathe"
    answer = clinic.call(app, "draft-appointment", "Patient/p", reason=words)
    assert answer.checks["urgency"] == "block"
    assert "911" in str(answer.body)


def test_needs_that_a_consent_withholds_are_not_taken_for_none(clinic: Clinic) -> None:
    chair = {"resourceType": "Condition", "id": "chair", "subject": {"reference": "Patient/p"}}
    clinic.put(chair | {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "105503008"}]}})
    clinic.put(denied("Condition", "Patient/p"))
    answer = clinic.call(clinic.patient(), "draft-appointment", "Patient/p")
    (check,) = [each for each in answer.all("check") if each["part"][0]["valueCode"] == "needs"]
    assert check["part"][1]["valueCode"] == "unknown"
    assert "could not be checked" in check["part"][2]["valueString"]
    assert "wheelchair" not in str(answer.body)
    assert "Condition/" not in str(clinic.get(answer.reference("task")))


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"latest": day(-2)}, 400),
    ({"earliest": day(5), "latest": day(2)}, 400),
    ({"earliest": "tomorrow"}, 400),
    ({"earliest": "2026-02-30"}, 400),
    ({"urgency": "soon"}, 400),
    ({"practitioner": {"reference": "Patient/q"}}, 400),
    ({"practitioner": {"reference": "Practitioner/nobody"}}, 422),
    ({"practitioner": "lee"}, 400),
    ({"location": {"reference": "Location/nowhere"}}, 422),
    ({"location": {"reference": "Practitioner/lee"}}, 400),
    ({"replaces": {"reference": "Appointment/nothing"}}, 422),
    ({"reason": "x" * 1001}, 413),
    ({"serviceType": "x" * 201}, 413),
]


@pytest.mark.parametrize(("values", "status"), REFUSED)
def test_a_parameter_of_the_wrong_form_is_refused_and_nothing_is_written(
    clinic: Clinic, values: dict[str, Any], status: int
) -> None:
    before = clinic.counts()
    assert (
        clinic.refused(clinic.patient(), "draft-appointment", "Patient/p", **values).problem.status == status
    )
    assert clinic.counts() == before


def test_nobody_drafts_a_visit_for_somebody_else(clinic: Clinic) -> None:
    clinic.put(*record("q"))
    assert clinic.refused(clinic.patient(), "draft-appointment", "Patient/q").problem.status in (403, 404)
    assert not clinic.found("Task")


def test_a_schedule_of_a_person_never_brings_that_person_along(clinic: Clinic) -> None:
    bed = {"resourceType": "Schedule", "id": "bed", "actor": [{"reference": "Patient/q"}]}
    clinic.put({"resourceType": "Patient", "id": "q"}, bed, slot("bed-1", 0.5, "bed"))
    draft, _ = drafted(clinic)
    assert draft["slot"] == [{"reference": "Slot/lee-1"}]


def test_an_app_is_not_told_of_slots_that_its_token_does_not_reach(clinic: Clinic) -> None:
    app = clinic.app("patient/Patient.rs")
    answer = clinic.call(app, "draft-appointment", "Patient/p")
    assert answer.reference("draft")
    assert set(answer.checks.values()) == {"unknown"}
    assert answer.all("alternative") == []
    assert "Slot/" not in str(answer.body)

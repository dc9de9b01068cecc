"""Many at once: one draft of an order, one decision on a Task, one visit in an hour.

https://hl7.org/fhir/R4/http.html#concurrency
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from fhir_server.r4.outcome import FhirError
from tests.unit.drafts.clinic import LEE, OKAFOR, Answer, Clinic, clinic_on, day, diary, order, record, slot

Json = dict[str, Any]


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record(), *diary())
        yield found


def at_once(acts: Sequence[Callable[[], Answer]]) -> list[Answer | int]:
    """What each of them got, or the HTTP status of its refusal; all start together."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Answer]) -> Answer | int:
        barrier.wait()
        try:
            return act()
        except FhirError as error:
            return error.problem.status

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def statuses(found: Sequence[Answer | int]) -> Counter[int]:
    """200 for an answer."""
    return Counter(each if isinstance(each, int) else 200 for each in found)


def sign(clinic: Clinic, task: str, who: str = LEE, decision: str = "approve") -> Callable[[], Answer]:
    return lambda: clinic.call(clinic.clinician(who), "sign-off", task, decision=decision)


def test_of_ten_requests_for_a_refill_at_once_one_makes_a_draft(clinic: Clinic) -> None:
    ask = [lambda: clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")] * 10
    assert statuses(at_once(ask)) == {200: 1, 409: 9}
    assert len(clinic.found("MedicationRequest", status="draft")) == 1
    assert len(clinic.found("Task")) == 1
    assert len(clinic.found("Device")) == 1


def test_of_two_clinicians_at_once_one_wins(clinic: Clinic) -> None:
    asked = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    task = asked.reference("task")
    found = at_once([sign(clinic, task, LEE), sign(clinic, task, OKAFOR)])
    assert statuses(found) == {200: 1, 409: 1}
    orders = clinic.found("MedicationRequest", status="active")
    assert len([each for each in orders if each["id"] != "order-p"]) == 1
    proofs = clinic.found("Provenance", target=asked.reference("draft"))
    assert len(proofs) == 2


def test_an_approval_and_a_rejection_at_once_do_not_both_count(clinic: Clinic) -> None:
    asked = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    task = asked.reference("task")
    found = at_once([sign(clinic, task, LEE), sign(clinic, task, OKAFOR, "reject")])
    assert statuses(found) == {200: 1, 409: 1}
    status = clinic.get(task)["status"]
    active = [each for each in clinic.found("MedicationRequest", status="active") if each["id"] != "order-p"]
    assert (status, len(active)) in {("completed", 1), ("rejected", 0)}


def test_an_order_that_is_stopped_at_the_same_moment_is_not_renewed_after_it(clinic: Clinic) -> None:
    asked = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")

    def stop() -> Answer:
        clinic.put(order() | {"status": "stopped"})
        return Answer({"parameter": []})

    _, signed = at_once([stop, sign(clinic, asked.reference("task"))])
    made = clinic.found("MedicationRequest", status="active")
    if isinstance(signed, int):
        assert (signed, made) == (409, [])
    else:
        assert signed.checks["active-order"] == "pass"
        assert len(made) == 1


MANY = 50


def test_of_fifty_drafts_for_one_slot_one_is_booked(clinic: Clinic) -> None:
    clinic.put(slot("only", 1))
    patients = [f"p{number}" for number in range(MANY)]
    for patient in patients:
        clinic.put({"resourceType": "Patient", "id": patient})

    def ask(patient: str) -> Callable[[], Answer]:
        return lambda: clinic.call(clinic.patient(patient), "draft-appointment", f"Patient/{patient}")

    asked = at_once([ask(patient) for patient in patients])
    assert statuses(asked) == {200: MANY}
    tasks = [each.reference("task") for each in asked if isinstance(each, Answer)]
    assert statuses(at_once([sign(clinic, task) for task in tasks])) == {200: 1, 409: MANY - 1}
    booked = clinic.found("Appointment", status="booked")
    assert len(booked) == 1
    assert len(clinic.found("Appointment", status="proposed")) == MANY - 1
    assert clinic.get("Slot/only")["status"] == "busy"
    assert len(clinic.found("Task", status="completed")) == 1


def test_two_slots_of_one_doctor_that_overlap_are_not_both_booked(clinic: Clinic) -> None:
    clinic.put(slot("long", 1, minutes=60))
    first = clinic.call(clinic.patient(), "draft-appointment", "Patient/p")
    clinic.put(slot("long", 1, minutes=60, status="busy-tentative"), slot("short", 1), *record("q"))
    second = clinic.call(clinic.patient("q"), "draft-appointment", "Patient/q")
    clinic.put(slot("long", 1, minutes=60))
    assert clinic.get(second.reference("draft"))["slot"] == [{"reference": "Slot/short"}]
    found = at_once([sign(clinic, first.reference("task")), sign(clinic, second.reference("task"), OKAFOR)])
    assert statuses(found) == {200: 1, 409: 1}


def test_one_patient_is_not_in_two_rooms_at_once(clinic: Clinic) -> None:
    clinic.put(slot("lee-1", 1))
    first = clinic.call(clinic.patient(), "draft-appointment", "Patient/p")
    clinic.put(clinic.get(first.reference("draft")) | {"comment": "edited"}, slot("okafor-1", 1, "okafor"))
    moved = clinic.get(first.reference("draft"))
    start = moved["start"]
    clinic.put(moved | {"start": slot("x", 9)["start"], "end": slot("x", 9)["end"]})
    second = clinic.call(
        clinic.patient(), "draft-appointment", "Patient/p", practitioner={"reference": OKAFOR}
    )
    now = clinic.get(first.reference("draft"))
    clinic.put(now | {"start": start, "end": slot("x", 1)["end"]})
    found = at_once([sign(clinic, first.reference("task")), sign(clinic, second.reference("task"), OKAFOR)])
    assert statuses(found) == {200: 1, 409: 1}


def test_fifty_requests_of_one_patient_book_nothing_twice(clinic: Clinic) -> None:
    clinic.put(*[slot(f"s{number}", 1 + number) for number in range(5)])
    ask = [lambda: clinic.call(clinic.patient(), "draft-appointment", "Patient/p")] * 50
    found = [each for each in at_once(ask) if isinstance(each, Answer)]
    assert len(found) == 50
    drafts = [each.reference("draft") for each in found if each.reference("draft")]
    assert len(drafts) == 5
    assert len({str(clinic.get(each)["slot"]) for each in drafts}) == 5
    assert len({each.reference("task") for each in found}) == 6


def test_a_visit_that_is_moved_twice_at_once_is_moved_once(clinic: Clinic) -> None:
    clinic.put(*[slot(f"s{number}", 1 + number) for number in range(3)])
    first = clinic.call(clinic.patient(), "draft-appointment", "Patient/p")
    sign(clinic, first.reference("task"))()
    visit = {"reference": first.reference("draft")}
    moves = [
        clinic.call(
            clinic.patient(), "draft-appointment", "Patient/p", replaces=visit, earliest=day(days)[:10]
        )
        for days in (2, 3)
    ]
    found = at_once([sign(clinic, move.reference("task")) for move in moves])
    assert statuses(found) == {200: 1, 409: 1}
    assert len(clinic.found("Appointment", status="booked")) == 1
    assert sorted(each["status"] for each in clinic.found("Slot")) == ["busy", "free", "free"]

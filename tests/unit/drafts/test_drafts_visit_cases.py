"""The appointment cases in fixtures/cases/drafts/visit.yaml, and which of several Slots is chosen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ai_layer.drafts.checks import VISIT_CHECKS, VisitView, Wanted, needs_of, visit_checks
from ai_layer.drafts.visits import Offer, in_time, offers
from tests.unit.drafts.records import NOW, merged, read

Json = dict[str, Any]
DOCUMENT = read("visit.yaml")


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=[case["it"] for case in DOCUMENT["cases"]])
def test_visit_cases(case: Json) -> None:
    checks = visit_checks(view(case.get("given", {})))
    assert {c.name: str(c.result) for c in checks} == DOCUMENT["expect"] | case.get("expect", {})
    citations = {check.name: sorted(check.citations) for check in checks}
    for name, wanted in case.get("cites", {}).items():
        assert citations[name] == sorted(wanted)


def test_each_check_has_cases_with_several_results() -> None:
    for name in VISIT_CHECKS:
        results = {case.get("expect", {}).get(name, "pass") for case in DOCUMENT["cases"]}
        assert len(results) >= 3


def view(given: Json) -> VisitView:
    """A case's view: `slot`, `schedule`, `patient` and `wanted` over the file's own; `own` and `others` are Appointments."""
    changed: Json = {name: given[name] for name in ("slot", "schedule", "wanted", "patient") if name in given}
    parts = merged(DOCUMENT["given"], changed)
    conditions = [{"resourceType": "Condition", **each} for each in given.get("conditions", ())]
    return VisitView(
        NOW,
        Wanted(NOW, **parts["wanted"]),
        _typed("Slot", parts.get("slot")),
        _typed("Schedule", parts.get("schedule")),
        tuple({"resourceType": "Appointment", **each} for each in given.get("own", ())),
        tuple({"resourceType": "Appointment", **each} for each in given.get("others", ())),
        needs_of({"resourceType": "Patient", **parts["patient"]}, conditions),
        tuple(given.get("place", ())),
    )


def _typed(kind: str, elements: Json | None) -> Json | None:
    return {"resourceType": kind, **elements} if elements else None


def offer(logical_id: str, start: str, **elements: Any) -> Offer:
    """A free half hour on Dr Lee's Schedule."""
    end = (datetime.fromisoformat(start) + timedelta(minutes=30)).isoformat()
    schedule = elements.pop("schedule", {})
    slot = {
        "resourceType": "Slot",
        "id": logical_id,
        "status": "free",
        "start": start,
        "end": end,
        **elements,
    }
    own = {"resourceType": "Schedule", "id": "lee", "actor": [{"reference": "Practitioner/lee"}]}
    return Offer(slot, own | schedule)


def chosen(
    found: list[Offer], wanted: Wanted, own: list[Json] | None = None, others: list[Json] | None = None
) -> list[str]:
    """Ids of the offers, best first."""
    return [each.slot["id"] for each in offers(found, wanted, NOW, own or [], others or [])]


EARLY = offer("early", "2026-03-16T09:00:00-04:00")
LATE = offer("late", "2026-03-17T09:00:00-04:00")


def test_the_earliest_comes_first() -> None:
    assert chosen([LATE, EARLY], Wanted(NOW)) == ["early", "late"]


def test_what_another_draft_asks_for_comes_last() -> None:
    waiting = {
        "resourceType": "Appointment",
        "id": "a",
        "status": "proposed",
        "slot": [{"reference": "Slot/early"}],
        "start": EARLY.slot["start"],
        "end": EARLY.slot["end"],
    }
    assert chosen([EARLY, LATE], Wanted(NOW), others=[waiting]) == ["late", "early"]


def test_a_practitioner_who_is_booked_elsewhere_is_not_there() -> None:
    booked = {
        "resourceType": "Appointment",
        "id": "a",
        "status": "booked",
        "participant": [{"actor": {"reference": "Practitioner/lee"}, "status": "accepted"}],
        "start": "2026-03-16T13:15:00Z",
        "end": "2026-03-16T13:45:00Z",
    }
    assert chosen([EARLY, LATE], Wanted(NOW), others=[booked]) == ["late"]
    booked["participant"] = [{"actor": {"reference": "Practitioner/lee"}, "status": "declined"}]
    assert chosen([EARLY, LATE], Wanted(NOW), others=[booked]) == ["early", "late"]


def test_a_schedule_of_somebody_else_as_a_patient_is_not_offered() -> None:
    bed = offer("bed", "2026-03-16T09:00:00-04:00", schedule={"actor": [{"reference": "Patient/other"}]})
    assert chosen([bed], Wanted(NOW)) == []


def test_a_practitioner_who_is_asked_for_is_the_one() -> None:
    assert chosen([EARLY], Wanted(NOW, practitioner="Practitioner/lee")) == ["early"]
    assert chosen([EARLY], Wanted(NOW, practitioner="Practitioner/okafor")) == []


FRENCH = needs_of(
    {"id": "p", "resourceType": "Patient", "communication": [{"language": {"coding": [{"code": "fr"}]}}]}, []
)
NAIR = {"resourceType": "Practitioner", "id": "nair", "communication": [{"coding": [{"code": "fr"}]}]}


def test_who_speaks_the_patient_s_language_comes_before_who_is_free_earlier() -> None:
    speaking = replace(LATE, place=(NAIR,))
    found = offers([EARLY, speaking], Wanted(NOW), NOW, [], needs=FRENCH)
    assert [each.slot["id"] for each in found] == ["late", "early"]


def test_where_time_presses_the_earliest_comes_first_whoever_it_is() -> None:
    speaking = replace(LATE, place=(NAIR,))
    found = offers([EARLY, speaking], Wanted(NOW, urgency="asap"), NOW, [], needs=FRENCH)
    assert [each.slot["id"] for each in found] == ["early", "late"]


def test_a_place_that_is_asked_for_is_the_one() -> None:
    rooms = offer("rooms", "2026-03-18T09:00:00-04:00", schedule={"actor": [{"reference": "Location/rooms"}]})
    assert chosen([EARLY, rooms], Wanted(NOW, location="Location/rooms")) == ["rooms"]


BEFORE_THE_CLOCKS_CHANGE = offer("before", "2026-10-31T23:30:00-04:00")
AFTER_THE_CLOCKS_CHANGE = offer("after", "2026-11-01T23:30:00-05:00")
DAYS = [
    ("2026-10-31", "2026-10-31", ["before"]),
    ("2026-11-01", "2026-11-01", ["after"]),
    ("2026-11-01", "", ["after"]),
    ("", "2026-10-31", ["before"]),
    ("2026-10", "2026-10", ["before"]),
    ("2026-11", "2026-12-31", ["after"]),
    ("2026", "2026", ["before", "after"]),
]


@pytest.mark.parametrize(("earliest", "latest", "wanted"), DAYS)
def test_a_day_is_a_day_where_the_visit_is_also_when_the_clocks_change(
    earliest: str, latest: str, wanted: list[str]
) -> None:
    asked = Wanted(NOW, earliest_day=earliest, latest_day=latest)
    assert chosen([BEFORE_THE_CLOCKS_CHANGE, AFTER_THE_CLOCKS_CHANGE], asked) == wanted


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first = offer("first", "2026-11-01T01:30:00-04:00")
    second = offer("second", "2026-11-01T01:30:00-05:00")
    held = {"resourceType": "Appointment", "id": "a", "status": "booked", **_times(first)}
    assert chosen([first, second], Wanted(NOW), own=[held]) == ["second"]
    noon = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
    assert in_time(second.slot, Wanted(NOW, earliest=noon))
    assert not in_time(first.slot, Wanted(NOW, earliest=noon))


def _times(found: Offer) -> Json:
    return {"start": found.slot["start"], "end": found.slot["end"]}

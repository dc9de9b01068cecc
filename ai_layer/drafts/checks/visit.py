"""The checks of an appointment: its Slot is free, the patient and the practitioner are, it is the service asked for, soon enough, and what
the patient needs is there (`needs`).

https://hl7.org/fhir/R4/slot.html and https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ai_layer.drafts.checks.finding import Check, Finding, blocks, gravest, passes, unknown, warns
from ai_layer.drafts.checks.needs import NONE, Needs, met
from ai_layer.drafts.checks.reading import Json, codes, elements, target, when

FIRM = frozenset(["pending", "booked", "arrived", "checked-in"])
"""Statuses of an Appointment that holds its time. https://hl7.org/fhir/R4/valueset-appointmentstatus.html"""
TENTATIVE = frozenset(["proposed", "waitlist"])
WITHIN: dict[str, timedelta] = {
    "stat": timedelta(days=1),
    "asap": timedelta(days=2),
    "urgent": timedelta(days=3),
    "routine": timedelta(days=60),
}
"""How soon a visit has to be; the days are our own. https://hl7.org/fhir/R4/valueset-request-priority.html"""
PRESSING = frozenset(["stat", "asap"])
"""Where no Slot is soon enough for these, a person has to find a way."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, at `asked`; `chosen` is one Slot (`Slot/id`), and no other will do. Days as text (`2026-03-20`, `2026-03`) are days where the visit takes place."""

    asked: datetime
    earliest: datetime | None = None
    latest: datetime | None = None
    earliest_day: str = ""
    latest_day: str = ""
    service: str = ""
    urgency: str = ""
    practitioner: str = ""
    specialty: str = ""
    location: str = ""
    replaces: str = ""
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class VisitView:
    """The Slot with its Schedule; `own` are the patient's other Appointments, `others` those of the Slot and the practitioner.

    `place`: who and what the Schedule is for; `alarm`: the advice that the patient's words call for, where they tell of an emergency.
    """

    now: datetime
    wanted: Wanted
    slot: Json | None = None
    schedule: Json | None = None
    own: tuple[Json, ...] = ()
    others: tuple[Json, ...] = ()
    needs: Needs = NONE
    place: tuple[Json, ...] = ()
    alarm: str = ""


def span(resource: Json) -> tuple[datetime, datetime] | None:
    """[start, end) of a Slot or an Appointment; nothing where it has none."""
    start, end = when(resource.get("start")), when(resource.get("end"))
    return (start.lo, end.lo) if start and end and start.lo < end.lo else None


def overlapping(slot: Json, appointments: Sequence[Json], statuses: frozenset[str]) -> list[Json]:
    """The appointments of these statuses at that time."""
    held = ((span(each), each) for each in appointments if each.get("status") in statuses)
    wanted = span(slot)
    return [
        each for found, each in held if found and wanted and found[0] < wanted[1] and wanted[0] < found[1]
    ]


def services(resource: Json | None) -> frozenset[str]:
    """Codes of the service types and specialties of a Slot or Schedule."""
    named = [*elements(resource or {}, "serviceType"), *elements(resource or {}, "specialty")]
    return frozenset(code for concept in named for code in codes(concept))


def slot_free(view: VisitView) -> Finding:
    """Free, in the future, and nobody else is to be there then."""
    slot = view.slot
    if slot is None:
        return blocks("No free Slot fits what was asked for.")
    found = span(slot)
    if found is None or slot.get("status") != "free":
        return blocks("The Slot is not free any more.", slot)
    if found[0] <= view.now:
        return blocks("The Slot lies in the past.", slot)
    if view.schedule is not None and view.schedule.get("active") is False:
        return blocks("The Schedule of the Slot is no longer in use.", slot, view.schedule)
    if overlapping(slot, view.others, FIRM):
        return blocks("The practitioner has another appointment then.", slot)
    if overlapping(slot, view.others, TENTATIVE):
        return warns("The Slot is free; somebody else's draft asks for that time as well.", slot)
    if slot.get("overbooked") is True:
        return warns("The Slot is free, and marked as overbooked.", slot)
    return passes("The Slot is free.", slot)


def no_overlap(view: VisitView) -> Finding:
    """The patient has nothing else then."""
    slot = view.slot
    if slot is None:
        return unknown("There is no Slot to compare with.")
    if clashes := overlapping(slot, view.own, FIRM):
        return blocks("The patient has another appointment then.", *clashes)
    if clashes := overlapping(slot, view.own, TENTATIVE):
        return warns("The patient has another appointment then that is not settled.", *clashes)
    return passes("The patient has no other appointment then.", slot)


def places(schedule: Json | None, place: Sequence[Json]) -> frozenset[str]:
    """`Location/id` where a visit of the Schedule may be: its own, and those of its service and its role."""
    named = [
        *elements(schedule or {}, "actor"),
        *(one for each in place for one in elements(each, "location")),
    ]
    return frozenset(name for each in named if (name := target(each)).startswith("Location/"))


def service(view: VisitView) -> Finding:
    """The Slot or its Schedule names the service, the specialty and the place that were asked for."""
    wanted, slot = {view.wanted.service, view.wanted.specialty} - {""}, view.slot
    cited = [each for each in (slot, view.schedule) if each]
    if not wanted and not view.wanted.location:
        return unknown("No service type was asked for.", *cited)
    if slot is None:
        return unknown("There is no Slot for that service.")
    if view.wanted.location and view.wanted.location not in places(view.schedule, view.place):
        return blocks("The Slot is at another place.", *cited)
    offered = services(slot) | services(view.schedule)
    if wanted and not offered:
        return unknown("The Slot does not say which service it is for.", *cited)
    if wanted <= offered:
        return passes("The Slot is for the service that was asked for.", *cited)
    return blocks("The Slot is for another service.", *cited)


def urgency(view: VisitView) -> Finding:
    """Within the days that the urgency allows, counted from when the visit was asked for."""
    wanted, slot = view.wanted.urgency, view.slot
    if view.alarm:
        return blocks(view.alarm)
    found = span(slot) if slot else None
    if wanted not in WITHIN:
        return unknown("No urgency was stated.", *([slot] if slot else []))
    if slot is None or found is None:
        return unknown("There is no Slot to compare with.")
    if found[0] - view.wanted.asked <= WITHIN[wanted]:
        return passes(f"The visit is soon enough for {wanted}.", slot)
    text = f"A visit that is {wanted} should be within {WITHIN[wanted].days} days; no Slot is."
    return blocks(text, slot) if wanted in PRESSING else warns(text, slot)


def needs(view: VisitView) -> Finding:
    """A language and room for a wheelchair, where the record asks for them."""
    if view.slot is None:
        return unknown("There is no Slot to compare with.")
    return met(view.needs, view.place, view.slot)


@dataclass(frozen=True, slots=True)
class VisitCheck:
    """`reads`: what somebody has to be allowed to read before he is told the result."""

    look: Callable[[VisitView], Finding]
    reads: tuple[str, ...] = ("Slot",)


VISIT_CHECKS: dict[str, VisitCheck] = {
    "slot-free": VisitCheck(slot_free),
    "no-overlap": VisitCheck(no_overlap, ("Slot", "Appointment")),
    "service": VisitCheck(service, ("Slot", "Schedule")),
    "urgency": VisitCheck(urgency),
    "needs": VisitCheck(needs, ("Slot", "Patient", "Condition")),
}


def visit_checks(*views: VisitView) -> list[Check]:
    """All of them, always in the same order; of several Slots the gravest finding counts."""
    return [
        _checked(name, gravest([check.look(view) for view in views])) for name, check in VISIT_CHECKS.items()
    ]


def _checked(name: str, found: Finding) -> Check:
    return Check(name, found.result, found.text, found.citations)

"""Checks of an appointment, and the choice of its Slot. Pure.

https://hl7.org/fhir/R4/slot.html and https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ai_layer.drafts.checks import Check, reference
from fhir_server.r4.datatypes import parse_instant_or_partial
from terminology.coding import codings_of

Json = dict[str, Any]
WITHIN: dict[str, timedelta] = {
    "stat": timedelta(days=1),
    "asap": timedelta(days=2),
    "urgent": timedelta(days=3),
    "routine": timedelta(days=60),
}
"""How soon a visit of this urgency has to be. https://hl7.org/fhir/R4/valueset-request-priority.html"""
HELD = ("proposed", "pending", "booked", "arrived", "checked-in")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; `earliest` is never before now."""

    earliest: datetime
    latest: datetime | None = None
    service: str = ""
    urgency: str = ""
    practitioner: str = ""


def span(resource: Json) -> tuple[datetime, datetime]:
    """[start, end) of a Slot or an Appointment."""
    return parse_instant_or_partial(resource["start"]).lo, parse_instant_or_partial(resource["end"]).lo


def candidates(
    slots: Sequence[Json], schedules: dict[str, Json], taken: Sequence[Json], wanted: Wanted
) -> list[Json]:
    """Free Slots that fit, the earliest first."""
    found = [slot for slot in slots if slot.get("status") == "free" and "start" in slot and "end" in slot]
    found = [slot for slot in found if _fits(slot, schedules.get(slot["schedule"]["reference"], {}), wanted)]
    return sorted((s for s in found if not overlaps(s, taken)), key=lambda s: span(s)[0])


def _fits(slot: Json, schedule: Json, wanted: Wanted) -> bool:
    start = span(slot)[0]
    if start < wanted.earliest or (wanted.latest and start > wanted.latest):
        return False
    if wanted.practitioner and wanted.practitioner not in [
        a.get("reference") for a in schedule.get("actor", ())
    ]:
        return False
    return not wanted.service or wanted.service in services(slot) | services(schedule)


def services(resource: Json) -> set[str]:
    """Codes of the service types of a Slot or Schedule."""
    return {c.code or "" for concept in resource.get("serviceType", ()) for c in codings_of(concept)}


def overlaps(slot: Json, appointments: Sequence[Json]) -> list[Json]:
    """The patient's appointments at that time."""
    start, end = span(slot)
    held = [a for a in appointments if a.get("status") in HELD and "start" in a and "end" in a]
    return [a for a in held if span(a)[0] < end and start < span(a)[1]]


def visit_checks(
    slot: Json | None, appointments: Sequence[Json], wanted: Wanted, now: datetime
) -> list[Check]:
    """slot-free, no-overlap, service and urgency."""
    if slot is None:
        return [Check("slot-free", "block", "No free Slot fits what was asked for.")]
    cited = (reference(slot),)
    clashes = overlaps(slot, appointments)
    free = (
        Check("slot-free", "pass", "The Slot is free.", cited)
        if slot.get("status") == "free"
        else Check("slot-free", "block", "The Slot is not free any more.", cited)
    )
    overlap = (
        Check(
            "no-overlap", "block", "The patient has another appointment then.", tuple(map(reference, clashes))
        )
        if clashes
        else Check("no-overlap", "pass", "The patient has no other appointment then.", cited)
    )
    return [free, overlap, _service(slot, wanted, cited), _urgency(slot, wanted, now, cited)]


def _service(slot: Json, wanted: Wanted, cited: tuple[str, ...]) -> Check:
    if not wanted.service:
        return Check("service", "unknown", "No service type was asked for.", cited)
    return Check("service", "pass", "The Slot is for the service that was asked for.", cited)


def _urgency(slot: Json, wanted: Wanted, now: datetime, cited: tuple[str, ...]) -> Check:
    if wanted.urgency not in WITHIN:
        return Check("urgency", "unknown", "No urgency was stated.", cited)
    if span(slot)[0] - now <= WITHIN[wanted.urgency]:
        return Check("urgency", "pass", f"The visit is soon enough for {wanted.urgency}.", cited)
    days = WITHIN[wanted.urgency].days
    return Check(
        "urgency",
        "warn",
        f"A visit that is {wanted.urgency} should be within {days} days; no Slot is.",
        cited,
    )

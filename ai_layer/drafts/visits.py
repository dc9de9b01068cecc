"""Choosing Slots for a visit: which fit what was asked for, the best first. Pure.

https://hl7.org/fhir/R4/slot.html and https://hl7.org/fhir/R4/schedule.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ai_layer.drafts.checks.needs import NONE, Needs, rank
from ai_layer.drafts.checks.reading import elements, plain, target
from ai_layer.drafts.checks.visit import (
    FIRM,
    PRESSING,
    TENTATIVE,
    WITHIN,
    Wanted,
    overlapping,
    places,
    services,
    span,
)

Json = dict[str, Any]
PERSONS = ("Patient/", "RelatedPerson/")


@dataclass(frozen=True, slots=True)
class Offer:
    """A Slot, its Schedule, and who and what that is for."""

    slot: Json
    schedule: Json
    place: tuple[Json, ...] = ()

    def concerns(self, appointment: Json) -> bool:
        """Whether the appointment takes the Slot, or the time of a practitioner of its Schedule."""
        taken = [target(each) for each in elements(appointment, "slot")]
        people = {name for name in actors(self.schedule) if name.startswith("Practitioner")}
        going = (each for each in elements(appointment, "participant") if each.get("status") != "declined")
        return plain(self.slot) in taken or bool(people & {target(each.get("actor")) for each in going})

    def is_taken(self, appointments: Sequence[Json], statuses: frozenset[str]) -> bool:
        """Whether one of these, in one of these statuses, stands in the way."""
        concerned = [each for each in appointments if self.concerns(each)]
        return bool(overlapping(self.slot, concerned, statuses))


def offers(
    found: Sequence[Offer],
    wanted: Wanted,
    now: datetime,
    own: Sequence[Json],
    others: Sequence[Json] = (),
    needs: Needs = NONE,
) -> list[Offer]:
    """Offers that fit, the earliest first; behind them those that lack what the patient needs, unless time presses, and those that
    another draft asks for already; last those that are too late for the urgency.
    """
    fit = [each for each in found if _is_open(each, now) and _fits(each, wanted)]
    fit = [each for each in fit if not overlapping(each.slot, own, FIRM | TENTATIVE)]
    fit = [each for each in fit if not each.is_taken(others, FIRM)]

    def key(each: Offer) -> tuple[Any, ...]:
        lacks = 0 if wanted.urgency in PRESSING else rank(needs, each.place)
        return (
            _is_late(each.slot, wanted),
            each.is_taken(others, TENTATIVE),
            lacks,
            span(each.slot),
            plain(each.slot),
        )

    return sorted(fit, key=key)


def actors(schedule: Json) -> list[str]:
    """`Type/id` of who and what the Schedule is for."""
    return [name for each in elements(schedule, "actor") if (name := target(each))]


def in_time(slot: Json, wanted: Wanted) -> bool:
    """Moments compare as moments; days with the day in the Slot's own time zone, so that no clock change moves them."""
    found, day = span(slot), str(slot.get("start", ""))
    if found is None:
        return False
    if wanted.earliest_day and day[: len(wanted.earliest_day)] < wanted.earliest_day:
        return False
    if wanted.latest_day and day[: len(wanted.latest_day)] > wanted.latest_day:
        return False
    is_early = wanted.earliest is not None and found[0] < wanted.earliest
    is_late = wanted.latest is not None and found[0] > wanted.latest
    return not is_early and not is_late


def _is_late(slot: Json, wanted: Wanted) -> bool:
    found = span(slot)
    return wanted.urgency in WITHIN and found is not None and found[0] - wanted.asked > WITHIN[wanted.urgency]


def _is_open(offer: Offer, now: datetime) -> bool:
    found = span(offer.slot)
    is_ours = not any(name.startswith(PERSONS) for name in actors(offer.schedule))
    in_use = offer.schedule.get("active") is not False and offer.slot.get("status") == "free"
    return is_ours and in_use and found is not None and found[0] > now


def _fits(offer: Offer, wanted: Wanted) -> bool:
    return (
        in_time(offer.slot, wanted)
        and wanted.chosen in ("", plain(offer.slot))
        and (not wanted.practitioner or wanted.practitioner in actors(offer.schedule))
        and {wanted.service, wanted.specialty} - {""} <= services(offer.slot) | services(offer.schedule)
        and (not wanted.location or wanted.location in places(offer.schedule, offer.place))
    )

"""Check `too-early`: how long the supplies that were handed out still last.

Supplies add up: who fetches one early has what is left of the one before. The limit for early is that of usual pharmacy benefit
plans, three quarters of a supply used; overdue is our own.
https://hl7.org/fhir/R4/medicationdispense.html
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ai_layer.drafts.checks.finding import Finding, passes, unknown, warns
from ai_layer.drafts.checks.medicine import medicine_of
from ai_layer.drafts.checks.reading import Json, began, elements, part, plain, supply, target
from ai_layer.drafts.checks.record import RecordView

EARLY = 0.25
"""Of a supply: with more than this share left, a refill is early."""
STACKED = 2
"""Supplies that are added up. Further back, the days of each early fetch would pile up over the years."""
OVERDUE = 0.5
"""Of a supply: without any for longer than this share of it, a refill is overdue."""


def too_early(view: RecordView) -> Finding:
    """Not early, and not so late that it has to be asked whether the medicine is taken at all."""
    dated = handed_over(view)
    if not dated:
        return unknown("The record has no supply of this medicine with a date.", view.order)
    lasts = [(moment, each, lasting(each, view)) for moment, each in dated]
    moment, last, days = lasts[-1]
    if days is None:
        return unknown("The record does not say how long the last supply lasts.", last)
    ends = datetime.min.replace(tzinfo=view.now.tzinfo)
    for start, _, lasted in lasts[-STACKED:]:
        ends = max(ends, start) + (lasted or timedelta())
    ago, whole = (view.now - moment).days, days.days
    said = f"The last supply was handed out {ago} days ago, for {whole} days"
    if ends - view.now > days * EARLY:
        return warns(f"{said}; this is early.", last)
    if view.now - ends > days * OVERDUE:
        return warns(f"{said}; the refill is overdue, so ask whether the medicine is taken.", last)
    return passes(f"{said}.", last)


def handed_over(view: RecordView) -> list[tuple[datetime, Json]]:
    """Supplies of this medicine up to now, on whichever order, the oldest first."""
    dated = [(began(each, "whenHandedOver"), each) for each in (*given(view), *given_before(view))]
    past = [(moment, each) for moment, each in dated if moment and moment <= view.now]
    return sorted(past, key=lambda pair: pair[0])


def lasting(dispense: Json, view: RecordView) -> timedelta | None:
    """`daysSupply`, else what the order expects of one supply."""
    expected = part(view.order, "dispenseRequest").get("expectedSupplyDuration")
    return supply(dispense.get("daysSupply")) or supply(expected)


def given(view: RecordView) -> list[Json]:
    """Supplies handed out on this order."""
    own = plain(view.order)
    return [each for each in _completed(view) if own in _authorizing(each)]


def given_before(view: RecordView) -> list[Json]:
    """Supplies of the same medicine on other orders, or on none that the record names."""
    own, medicine = plain(view.order), medicine_of(view.order, view.medications)
    others = (each for each in _completed(view) if own not in _authorizing(each))
    return [each for each in others if medicine.is_same_as(medicine_of(each, view.medications))]


def maybe_given(view: RecordView) -> list[Json]:
    """Supplies of the same medicine since the order, on no order that the record names."""
    since = began(view.order, "authoredOn")
    loose = (each for each in given_before(view) if not _authorizing(each))
    dated = ((began(each, "whenHandedOver"), each) for each in loose)
    return [each for moment, each in dated if since is None or moment is None or moment >= since]


def _completed(view: RecordView) -> list[Json]:
    return [each for each in view.dispenses if each.get("status") == "completed"]


def _authorizing(dispense: Json) -> frozenset[str]:
    return frozenset(target(each) for each in elements(dispense, "authorizingPrescription")) - {""}

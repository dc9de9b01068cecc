"""Check `too-early`: how long the supplies that were handed out still last.

Supplies add up: who fetches one early has what is left of the one before. The limit for early is that of usual pharmacy benefit
plans, three quarters of a supply used; overdue is our own.
https://hl7.org/fhir/R4/medicationdispense.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from ai_layer.drafts.checks.finding import Finding, passes, unknown, warns
from ai_layer.drafts.checks.medicine import medicine_of
from ai_layer.drafts.checks.reading import (
    DAYS,
    LONGEST_SUPPLY,
    Json,
    began,
    elements,
    number,
    part,
    plain,
    supply,
    target,
)
from ai_layer.drafts.checks.record import RecordView

EARLY = 0.25
"""Of a supply: with more than this share left, a refill is early."""
STACKED = 2
"""Supplies that are added up. Further back, the days of each early fetch would pile up over the years."""
USUAL = timedelta(days=90)
"""What a supply of another medicine is taken to last where nothing says so: that of the largest usual one."""
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
    """`daysSupply`, else what the order expects of one supply, else the quantity by the dosage."""
    asked = part(view.order, "dispenseRequest")
    said = supply(dispense.get("daysSupply")) or supply(asked.get("expectedSupplyDuration"))
    return said or by_dosage(part(dispense, "quantity") or part(asked, "quantity"), dispense, view.order)


def by_dosage(quantity: Json, *dosed: Json) -> timedelta | None:
    """How long a quantity lasts at the first of the dosages that is plain: one instruction, a fixed dose, not as needed."""
    amount = number(quantity.get("value"))
    for instructions in (list(elements(each, "dosageInstruction")) for each in dosed):
        if amount is not None and len(instructions) == 1:
            a_day = _a_day(instructions[0], quantity)
            days = amount / a_day if a_day else None
            if days is not None and 0 < days <= LONGEST_SUPPLY:
                return timedelta(days=float(days))
    return None


def _a_day(dosage: Json, quantity: Json) -> Decimal | None:
    """What is taken in a day, in the unit of the quantity. https://hl7.org/fhir/R4/dosage.html"""
    if dosage.get("asNeededBoolean") is True or "asNeededCodeableConcept" in dosage:
        return None
    doses = [part(each, "doseQuantity") for each in elements(dosage, "doseAndRate")]
    repeat = part(part(dosage, "timing"), "repeat")
    times, period = number(repeat.get("frequency")), number(repeat.get("period"))
    days = DAYS.get(str(repeat.get("periodUnit")))
    dose = number(doses[0].get("value")) if len(doses) == 1 else None
    if dose is None or times is None or period is None or days is None or not _same_unit(doses[0], quantity):
        return None
    return dose * times / (period * days) if dose > 0 and times > 0 and period > 0 else None


def _same_unit(dose: Json, quantity: Json) -> bool:
    """Both silent (a tablet is a tablet), or both the same."""
    one, other = ({each.get("code"), each.get("unit")} - {None, ""} for each in (dose, quantity))
    return bool(one & other) if one or other else True


def in_hand(view: RecordView) -> list[Json]:
    """Supplies that still last, handed out on no order of the record: an order that is there speaks for itself."""
    known = {plain(each) for each in (view.order, *view.orders)}
    found = []
    for each in _completed(view):
        moment = began(each, "whenHandedOver")
        lasts = supply(each.get("daysSupply")) or by_dosage(part(each, "quantity"), each) or USUAL
        if moment and moment <= view.now < moment + lasts and not _authorizing(each) & known:
            found.append(each)
    return found


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

"""Checks of the order itself: the patient's own, in force, with repeats left, still valid.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from ai_layer.drafts.checks.finding import Finding, blocks, passes, unknown, warns
from ai_layer.drafts.checks.reading import part, plain, target, when
from ai_layer.drafts.checks.record import ORDERS, RecordView
from ai_layer.drafts.checks.supply import given, maybe_given


def own_order(view: RecordView) -> Finding:
    """The order is for this patient, who is alive."""
    subject, patient = target(view.order.get("subject")), view.patient
    if not subject or patient is None:
        return unknown("The record does not say whose order this is.", view.order)
    if subject != plain(patient):
        return blocks("The order is for somebody else.", view.order)
    if patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient:
        return blocks("The record says that the patient has died.", patient)
    if patient.get("active") is False:
        return warns("The order is the patient's own; the patient's record is no longer in use.", patient)
    return passes("The order is the patient's own.", view.order)


def active_order(view: RecordView) -> Finding:
    """In force, an order, meant to be taken, and not renewed already."""
    order = view.order
    status, intent = order.get("status"), order.get("intent")
    if order.get("doNotPerform") is True:
        return blocks("The order says that the medicine is not to be taken.", order)
    if "modifierExtension" in order or "implicitRules" in order:
        return blocks("The order carries a condition that is not understood here.", order)
    if intent not in ORDERS:
        return blocks(f"This is no order; its intent is {intent}.", order)
    if status in (None, "unknown"):
        return unknown("The record does not say whether the order is still active.", order)
    if status != "active":
        return blocks(f"Only an active order is renewed; the status of this one is {status}.", order)
    if newer := view.renewals():
        return blocks("A newer active order renews this one already.", order, *newer)
    return passes("The order is active.", order)


def repeats(view: RecordView) -> Finding:
    """Repeats come on top of the first supply. `numberOfRepeatsAllowed` says how many."""
    allowed = part(view.order, "dispenseRequest").get("numberOfRepeatsAllowed")
    if not isinstance(allowed, int) or isinstance(allowed, bool):
        return unknown("The order does not say how often it may be repeated.", view.order)
    if allowed == 0:
        return warns("The order allows no repeats; a renewal is a new decision.", view.order)
    supplies, others = given(view), maybe_given(view)
    used, perhaps = (max(0, len(each) - 1) for each in (supplies, [*supplies, *others]))
    if used >= allowed:
        text = f"All {allowed} repeats of the order have been used; a renewal is a new decision."
        return warns(text, view.order, *supplies)
    if perhaps >= allowed:
        text = "The record does not say whether every supply of this medicine was given on this order."
        return unknown(text, view.order, *supplies, *others)
    return passes(f"{allowed - used} of {allowed} repeats are left on the order.", view.order, *supplies)


def validity(view: RecordView) -> Finding:
    """Now lies within `validityPeriod`."""
    period = part(part(view.order, "dispenseRequest"), "validityPeriod")
    start, end = when(period.get("start")), when(period.get("end"))
    if start and start.lo > view.now:
        return warns(f"The order is valid from {period['start'][:10]} on, not yet.", view.order)
    if end is None:
        return unknown("The order does not say how long it is valid.", view.order)
    if end.hi > view.now:
        return passes(f"The order is valid until {period['end'][:10]}.", view.order)
    text = f"The order was valid until {period['end'][:10]}; a renewal is a new decision."
    return warns(text, view.order)

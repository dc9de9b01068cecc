"""What an approval does: a refill becomes a new order, an appointment is booked and its Slots are busy, a visit is moved or cancelled. For
sign-off alone.

What the draft rests on is locked and checked again; where it has changed, nothing does. SURFACE of the product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.booked import booked_visit, give_back
from ai_layer.drafts.checks import REFILL_CHECKS, VISIT_CHECKS, Check, blocking, refill_checks, visit_checks
from ai_layer.drafts.checks.reading import elements, part, plain, target
from ai_layer.drafts.diary import lock_slots, offers_of
from ai_layer.drafts.difference import diff
from ai_layer.drafts.lane import LABEL, key, labels_of, with_labels
from ai_layer.drafts.refill import sources
from ai_layer.drafts.seal import SIGNED
from ai_layer.drafts.standing import refill_view, visit_views
from ai_layer.drafts.told import Reads, shown
from ai_layer.drafts.wanted import wanted_again
from ai_layer.recorded import as_system
from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.interactions.read import vread
from fhir_server.interactions.update import update
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import instant

Json = dict[str, Any]
NOW = {
    "own-order": "the order is not this patient's",
    "active-order": "the order is not active any more, or has been renewed",
    "slot-free": "the Slot is not free any more",
    "no-overlap": "the patient has another appointment then",
}
"""What stands in the way, without a word of the record; other checks are told by their names."""

MOVED, CANCELLED = "Moved to another time.", "Cancelled on request."
HIDDEN = "a check blocks it that rests on parts of the record not shown here"


@dataclass(frozen=True, slots=True)
class Approval:
    """`result`: what came of it; `written`: the versions that were written; `checks`: as they were at that moment.

    `told` are the checks as the clinician may see them, `labels` those of what the checks rest on.
    """

    result: str
    written: tuple[str, ...]
    checks: Sequence[Check] = ()
    told: Sequence[Check] = ()
    labels: Sequence[Json] = ()


def approve_refill(context: Context, task: Json, draft: Json) -> Approval:
    """A new active order, based on the proposal; the proposal is completed."""
    assert context.connection is not None
    system = as_system(context)
    prior = target(draft.get("priorPrescription"))
    if not prior.startswith("MedicationRequest/"):
        raise FhirError(Problem.CONFLICT, "The draft no longer says which order it renews.")
    order = chart.still_there(context.connection, system.access, prior, "order")
    _refuse_changed(context, task, order)
    view = refill_view(context, order, target(draft.get("subject")), draft)
    checks = refill_checks(view)
    told = _permitted(context, checks, REFILL_CHECKS)
    made = create(system, "MedicationRequest", _order(context, draft))
    moved = _signed(context, draft | {"status": "completed"})
    labels = labels_of(sources(view), checks)
    return Approval(f"MedicationRequest/{made.id}", (made.location, moved), checks, told, labels)


def _refuse_changed(context: Context, task: Json, order: Json) -> None:
    """The order may have a new version, but not say anything else than when the draft was made."""
    named = [str(each.get("reference", "")) for each in elements(task, "basedOn")]
    seen = next((name for name in named if name.startswith(f"{plain(order)}/_history/")), "")
    if not seen:
        raise FhirError(Problem.CONFLICT, "The Task does not say which version of the order it is about.")
    version = seen.rpartition("/")[2]
    if version != order["meta"]["versionId"]:
        before = json.decode_object(
            vread(as_system(context), "MedicationRequest", order["id"], version).body or b"{}"
        )
        if diff(before, order):
            raise FhirError(Problem.CONFLICT, "The order has changed since the draft was made.")


def _permitted(context: Context, checks: Sequence[Check], table: Mapping[str, Reads]) -> list[Check]:
    """The checks as this clinician may see them. Raises CONFLICT where one blocks, in words that tell no more than that."""
    told = shown(context, checks, table)
    seen = {check.name for check in blocking(told)}
    if blocked := [check.name for check in blocking(checks)]:
        reasons = [
            NOW.get(name, f"the check {name} blocks it") if name in seen else HIDDEN for name in blocked
        ]
        raise FhirError(Problem.CONFLICT, f"Nothing was changed: {'; '.join(dict.fromkeys(reasons))}.")
    return told


def _order(context: Context, draft: Json) -> Json:
    """The draft's own words as an order of the clinician's."""
    kept = {name: value for name, value in draft.items() if name not in ("id", "meta", "text")}
    labels = [each for each in elements(part(draft, "meta"), "security") if key(each) != key(LABEL)]
    return with_labels(kept, labels) | {
        "status": "active",
        "intent": "order",
        "basedOn": [{"reference": plain(draft)}],
        "requester": {"reference": context.access.actor.fhir_user},
        "authoredOn": instant(context.now()),
    }


def _signed(context: Context, draft: Json) -> str:
    """The draft's next version, with the clinician's label. Its row is locked, and `if_match` holds what was read."""
    version = int(draft["meta"]["versionId"])
    signed = with_labels(draft, [SIGNED])
    return update(as_system(context), draft["resourceType"], draft["id"], signed, version).location


def approve_appointment(context: Context, task: Json, draft: Json) -> Approval:
    """Booked, its Slots busy. The patient's row and the Schedules' are locked, so nobody books the same hour beside it."""
    assert context.connection is not None
    system = as_system(context)
    patient = target(task.get("for"))
    chart.still_there(context.connection, system.access, patient, "patient")
    _refuse_declined(draft, patient)
    moved = wanted_again(task).replaces
    before = booked_visit(context, moved, patient) if moved else None
    lock_slots(system, draft)
    checks = visit_checks(*visit_views(context, task, draft))
    told = _permitted(context, checks, VISIT_CHECKS)
    written = []
    for offer in offers_of(system, draft):
        version = int(offer.slot["meta"]["versionId"])
        busy = offer.slot | {"status": "busy"}
        written.append(update(system, "Slot", offer.slot["id"], busy, version).location)
    if before is not None:
        written += give_back(context, before, MOVED)
    booked = draft | {"status": "booked", "participant": _participants(task, draft)}
    return Approval(plain(draft), (_signed(context, booked), *written), checks, told)


def _refuse_declined(draft: Json, patient: str) -> None:
    said = (
        each.get("status") for each in elements(draft, "participant") if target(each.get("actor")) == patient
    )
    if "declined" in said:
        raise FhirError(Problem.CONFLICT, "The patient has declined the visit.")


def approve_cancellation(context: Context, task: Json, visit: Json) -> Approval:
    """The visit is cancelled, and its Slots are free again."""
    still = booked_visit(context, plain(visit), target(task.get("for")))
    return Approval(plain(still), give_back(context, still, CANCELLED))


def _participants(task: Json, draft: Json) -> list[Json]:
    """The clinician accepts for the practice; the patient has accepted where it was the patient who asked."""
    asked = target(task.get("requester"))
    found = []
    for each in elements(draft, "participant"):
        name = target(each.get("actor"))
        accepts = not name.startswith("Patient/") or name == asked
        found.append(each | {"status": "accepted"} if accepts else each)
    return found

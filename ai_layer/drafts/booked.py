"""A booked visit: whose it is, whether it can still be changed, and giving it back, so that its Slots are free again.

https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks.reading import elements, plain, target
from ai_layer.drafts.checks.visit import FIRM, span
from ai_layer.drafts.diary import lock_slots, offers_of, taken
from ai_layer.recorded import as_system
from fhir_server.interactions.context import Context
from fhir_server.interactions.update import update
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
CHANGEABLE = frozenset(["booked", "pending"])
"""Before the visit has begun. https://hl7.org/fhir/R4/valueset-appointmentstatus.html"""


def require_changeable(context: Context, visit: Json, name: str) -> None:
    """Raises CONFLICT where the visit is not booked, or lies in the past."""
    if visit.get("status") not in CHANGEABLE:
        raise FhirError(Problem.CONFLICT, f"{name} is {visit.get('status')}, not booked.")
    time = span(visit)
    if time is not None and time[0] <= context.now():
        raise FhirError(Problem.CONFLICT, f"{name} lies in the past.")


def people(visit: Json) -> list[str]:
    """`Type/id` of the participants."""
    return [target(each.get("actor")) for each in elements(visit, "participant")]


def booked_visit(context: Context, named: str, patient: str) -> Json:
    """The visit, locked, as it still stands. Raises CONFLICT where it does not."""
    assert context.connection is not None
    visit = chart.still_there(context.connection, as_system(context).access, named, "visit")
    require_changeable(context, visit, "The visit")
    if patient not in people(visit):
        raise FhirError(Problem.CONFLICT, "The visit is not one of this patient's.")
    return visit


def give_back(context: Context, visit: Json, reason: str) -> tuple[str, ...]:
    """Cancel the visit, and free the Slots that nobody else holds; the versions that were written."""
    system = as_system(context)
    lock_slots(system, visit)
    cancelled = visit | {"status": "cancelled", "cancelationReason": {"text": reason}}
    version = int(visit["meta"]["versionId"])
    written = [update(system, "Appointment", visit["id"], cancelled, version).location]
    offers = offers_of(system, visit)
    held = {
        target(one)
        for each in taken(system, offers)
        if plain(each) != plain(visit) and each.get("status") in FIRM
        for one in elements(each, "slot")
    }
    for offer in offers:
        if offer.slot.get("status") == "busy" and plain(offer.slot) not in held:
            free = offer.slot | {"status": "free"}
            version = int(offer.slot["meta"]["versionId"])
            written.append(update(system, "Slot", offer.slot["id"], free, version).location)
    return tuple(written)

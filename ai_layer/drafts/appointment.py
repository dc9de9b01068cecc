"""$draft-appointment: a proposed Appointment on a free Slot, waiting for a clinician. Nothing is booked by it.

https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import VISIT_CHECKS, VisitView, Wanted, blocking, visit_checks
from ai_layer.drafts.checks.reading import plain
from ai_layer.drafts.diary import LOOKED_AT, free_slots, own_appointments, taken
from ai_layer.drafts.lane import Asked, keep, make_device
from ai_layer.drafts.told import may_read, parameter, recorded_refusals, referring, shown, text_of
from ai_layer.drafts.visits import PERSONS, Offer, offers
from ai_layer.drafts.wanted import REASON_LETTERS, details, wanted_of
from ai_layer.permission import permission, refused
from ai_layer.recorded import as_system
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import instant

Json = dict[str, Any]
PROPOSALS = 3
"""The draft's Slot, and two others that would do."""


@recorded_refusals("draft-appointment")
def draft_appointment(context: Context, request: OperationRequest) -> Result:
    """The draft and its Task; where no Slot will do, the Task alone."""
    wanted, words = wanted_of(context, request), text_of(request, "reason", REASON_LETTERS)
    make_device(context)
    with context.transaction() as inside:
        assert inside.connection is not None
        chart.locked(inside.connection, context.access, "Patient", request.id)
        if no := refused(permission(inside, request.id, AiSettings.of(context.service.settings))):
            raise FhirError(Problem.FORBIDDEN, f"{no.text} {no.reason}")
        _require_practitioner(inside, wanted)
        found, view = _choose(inside, request.id, wanted)
        checks = visit_checks(view)
        draft = None if blocking(checks) else proposal(inside, request.id, found[0], words)
        asked = Asked(
            "draft-appointment", "appointment", request.id, words, None, details(wanted), wanted.urgency
        )
        kept = keep(inside, asked, draft, checks, [view.slot] if view.slot else [])
        told = [parameter(check) for check in shown(inside, checks, VISIT_CHECKS)]
        is_told = bool(kept.draft) and may_read(inside, ("Slot",))
        others = [_alternative(each) for each in found[1:PROPOSALS] if is_told]
        return parameters_result([*referring(draft=kept.draft, task=kept.task), *told, *others])


def _choose(context: Context, patient_id: str, wanted: Wanted) -> tuple[list[Offer], VisitView]:
    """The offers, best first, and what the checks see of the best one."""
    system = as_system(context)
    own = own_appointments(system, patient_id)
    for most in LOOKED_AT:
        free = free_slots(system, wanted, most)
        others = taken(system, free)
        found = offers(free, wanted, context.now(), own, others)
        if found:
            break
    return found, _view(context.now(), wanted, found[0] if found else None, own, others)


def _view(
    now: datetime, wanted: Wanted, best: Offer | None, own: Sequence[Json], others: Sequence[Json]
) -> VisitView:
    if best is None:
        return VisitView(now, wanted)
    beside = tuple(each for each in others if best.concerns(each))
    return VisitView(now, wanted, best.slot, best.schedule, tuple(own), beside)


def _require_practitioner(context: Context, wanted: Wanted) -> None:
    assert context.connection is not None
    if wanted.practitioner:
        kind, _, logical_id = wanted.practitioner.partition("/")
        if not chart.named(context.connection, as_system(context).access, kind, [logical_id]):
            raise FhirError(Problem.NOT_PROCESSABLE, "practitioner: there is no such practitioner here.")


def proposal(context: Context, patient_id: str, offer: Offer, words: str) -> Json:
    """The draft itself: time, place, people and service are those of the Slot and its Schedule."""
    slot, schedule = offer.slot, offer.schedule
    people = [{"reference": f"Patient/{patient_id}"}, *_actors(schedule)]
    found: Json = {
        "resourceType": "Appointment",
        "status": "proposed",
        "start": slot["start"],
        "end": slot["end"],
        "created": instant(context.now()),
        "slot": [{"reference": plain(slot)}],
        "participant": [{"actor": actor, "status": "needs-action"} for actor in people],
    }
    for name in ("serviceCategory", "serviceType", "specialty"):
        if value := slot.get(name) or schedule.get(name):
            found[name] = value
    if "appointmentType" in slot:
        found["appointmentType"] = slot["appointmentType"]
    return found | ({"comment": words} if words else {})


def _actors(schedule: Json) -> Sequence[Json]:
    """Who and what the Schedule is for; nobody else's person among them."""
    actors = (each for each in schedule.get("actor", ()) if "reference" in each)
    return [each for each in actors if not each["reference"].startswith(PERSONS)]


def _alternative(offer: Offer) -> Json:
    part = [
        {"name": "slot", "valueReference": {"reference": plain(offer.slot)}},
        {"name": "start", "valueInstant": offer.slot["start"]},
        {"name": "end", "valueInstant": offer.slot["end"]},
    ]
    return {"name": "alternative", "part": part}

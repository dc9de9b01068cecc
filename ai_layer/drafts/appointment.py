"""$draft-appointment: a proposed Appointment on a free Slot, waiting for a clinician. Nothing is booked by it.

https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.booked import people, require_changeable
from ai_layer.drafts.checks import VISIT_CHECKS, Needs, VisitView, Wanted, blocking, visit_checks
from ai_layer.drafts.checks.reading import plain
from ai_layer.drafts.diary import LOOKED_AT, free_slots, own_appointments, taken
from ai_layer.drafts.lane import Asked, keep, make_device
from ai_layer.drafts.standing import needed, seen
from ai_layer.drafts.told import may_read, parameter, recorded_refusals, referring, shown, text_of
from ai_layer.drafts.visits import PERSONS, Offer, offers
from ai_layer.drafts.wanted import REASON_LETTERS, details, wanted_of
from ai_layer.guard import before
from ai_layer.permission import permission, refused
from ai_layer.recorded import as_system
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import instant

Json = dict[str, Any]
PROPOSALS = 3
"""The draft's Slot, and two others that would do."""
ALARMS = frozenset(["emergency", "self_harm"])


@recorded_refusals("draft-appointment")
def draft_appointment(context: Context, request: OperationRequest) -> Result:
    """The draft and its Task; where no Slot will do, the Task alone."""
    wanted, words = wanted_of(context, request), text_of(request, "reason", REASON_LETTERS)
    make_device(context)
    with context.transaction() as inside:
        assert inside.connection is not None
        chart.locked(inside.connection, context.access, "Patient", request.id)
        needs = _permitted_needs(inside, request.id)
        _require_there(inside, wanted)
        _require_own(inside, request.id, wanted)
        found, view = _choose(inside, request.id, wanted, needs, _alarm(words, needs))
        checks = visit_checks(view)
        draft = None if blocking(checks) else proposal(inside, request.id, found[0], words)
        priority = "stat" if view.alarm else wanted.urgency
        basis = _basis(inside, wanted)
        asked = Asked("draft-appointment", "appointment", request.id, words, basis, details(wanted), priority)
        kept = keep(inside, asked, draft, checks, _cited(view))
        seen_by = (
            checks if view.alarm else shown(inside, checks, VISIT_CHECKS)
        )  # advice holds no word of the record
        told = [parameter(check) for check in seen_by]
        is_told = bool(kept.draft) and may_read(inside, ("Slot",))
        others = [_alternative(each) for each in found[1:PROPOSALS] if is_told]
        return parameters_result([*referring(draft=kept.draft, task=kept.task), *told, *others])


def _permitted_needs(context: Context, patient_id: str) -> Needs:
    """Raises FORBIDDEN where the patient's Consents do not let the assistant work."""
    found = permission(context, patient_id, AiSettings.of(context.service.settings))
    if no := refused(found):
        raise FhirError(Problem.FORBIDDEN, f"{no.text} {no.reason}")
    return needed(
        context, patient_id, lambda each: not found.decision.narrowed or found.allows(json.encode(each))
    )


def _alarm(words: str, needs: Needs) -> str:
    """The advice, where the patient's words tell of an emergency: that is no case for a visit on some day."""
    found = before(words, needs.language) if words else None
    return found.advice if found and found.kind in ALARMS else ""


def _choose(
    context: Context, patient_id: str, wanted: Wanted, needs: Needs, alarm: str
) -> tuple[list[Offer], VisitView]:
    """The offers, best first, and what the checks see of the best one."""
    system, now = as_system(context), context.now()
    if alarm:
        return [], VisitView(now, wanted, needs=needs, alarm=alarm)
    own = own_appointments(system, patient_id, (wanted.replaces,))
    for most in LOOKED_AT:
        free = free_slots(system, wanted, most)
        others = [each for each in taken(system, free) if plain(each) != wanted.replaces]
        found = offers(free, wanted, now, own, others, needs)
        if found:
            return found, seen(now, wanted, found[0], own, others, needs)
    return [], VisitView(now, wanted, needs=needs)


def _cited(view: VisitView) -> list[Json]:
    """What a check can cite that may carry labels."""
    return [*([view.slot] if view.slot else []), *view.own, *view.needs.wheelchair]


def _basis(context: Context, wanted: Wanted) -> Json | None:
    """The visit that the draft is to replace."""
    return _visit(context, wanted.replaces) if wanted.replaces else None


def _require_own(context: Context, patient_id: str, wanted: Wanted) -> None:
    """Only a booked visit of this patient's is moved. Raises NOT_PROCESSABLE, and for one that is over or cancelled CONFLICT."""
    if not wanted.replaces:
        return
    visit = _visit(context, wanted.replaces)
    if visit is None or f"Patient/{patient_id}" not in people(visit):
        raise FhirError(Problem.NOT_PROCESSABLE, "replaces: there is no such visit of the patient's.")
    require_changeable(context, visit, "replaces: the visit")


def _visit(context: Context, name: str) -> Json | None:
    """The Appointment, where the caller reaches it."""
    assert context.connection is not None
    found = chart.named(context.connection, context.access, "Appointment", [name.partition("/")[2]])
    return next(iter(found), None)


def _require_there(context: Context, wanted: Wanted) -> None:
    """Raises NOT_PROCESSABLE where the practitioner or the place that was asked for does not exist."""
    assert context.connection is not None
    for name, named in (("practitioner", wanted.practitioner), ("location", wanted.location)):
        kind, _, logical_id = named.partition("/")
        if named and not chart.named(context.connection, as_system(context).access, kind, [logical_id]):
            raise FhirError(Problem.NOT_PROCESSABLE, f"{name}: there is no such {name} here.")


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

"""$draft-appointment: a proposed Appointment on a free Slot, waiting for a clinician. Nothing is booked by it.

https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import blocking
from ai_layer.drafts.lane import draft_kept
from ai_layer.drafts.visits import WITHIN, Wanted, candidates, visit_checks
from ai_layer.permission import refusal
from ai_layer.recorded import as_system
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
REASON_LETTERS = 1000


def draft_appointment(context: Context, request: OperationRequest) -> Result:
    """The draft and its Task; where no Slot fits, the Task alone."""
    wanted, reason = _wanted(context, request), str(request.value("reason", "") or "")
    if len(reason) > REASON_LETTERS:
        raise FhirError(Problem.TOO_LARGE, f"reason: at most {REASON_LETTERS} letters.")
    with context.transaction() as inside:
        assert inside.connection is not None
        chart.locked(inside.connection, context.access, "Patient", request.id)
        if refused := refusal(inside, request.id, AiSettings.of(context.service.settings)):
            raise FhirError(Problem.FORBIDDEN, f"{refused.text} {refused.reason}")
        system = as_system(inside).access
        taken = chart.record(inside.connection, system, request.id, ("Appointment",)).get("Appointment", [])
        slots = chart.every(inside.connection, system, "Slot")
        schedules = {f"Schedule/{s['id']}": s for s in chart.every(inside.connection, system, "Schedule")}
        found = candidates(slots, schedules, taken, wanted)
        slot = found[0] if found else None
        checks = visit_checks(slot, taken, wanted, context.now())
        draft = None if slot is None or blocking(checks) else proposal(request.id, slot, schedules, reason)
        return draft_kept(inside, "draft-appointment", draft, "appointment", request.id, checks, note=reason)


def _wanted(context: Context, request: OperationRequest) -> Wanted:
    now = context.now()
    earliest, latest = (_moment(request, name) for name in ("earliest", "latest"))
    if latest is not None and latest <= now:
        raise FhirError(Problem.BAD_PARAMETER, "latest: lies in the past.")
    if earliest is not None and latest is not None and earliest > latest:
        raise FhirError(Problem.BAD_PARAMETER, "earliest: lies behind latest.")
    urgency = str(request.value("urgency", "") or "")
    if urgency and urgency not in WITHIN:
        raise FhirError(Problem.BAD_PARAMETER, f"urgency: expected one of {', '.join(WITHIN)}.")
    practitioner = request.value("practitioner", {})
    named = practitioner.get("reference", "") if isinstance(practitioner, dict) else str(practitioner)
    return Wanted(
        max(earliest or now, now), latest, str(request.value("serviceType", "") or ""), urgency, named
    )


def _moment(request: OperationRequest, name: str) -> datetime | None:
    text = request.value(name)
    if text is None:
        return None
    try:
        return parse_instant_or_partial(str(text)).lo
    except ValueError:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a date or dateTime.") from None


def proposal(patient_id: str, slot: Json, schedules: dict[str, Json], reason: str) -> Json:
    """The draft itself: time, place and people are the Slot's and its Schedule's."""
    actors = schedules.get(slot["schedule"]["reference"], {}).get("actor", ())
    people = [{"actor": {"reference": f"Patient/{patient_id}"}, "status": "needs-action"}]
    people += [{"actor": actor, "status": "needs-action"} for actor in actors]
    found: Json = {
        "resourceType": "Appointment",
        "status": "proposed",
        "start": slot["start"],
        "end": slot["end"],
        "slot": [{"reference": f"Slot/{slot['id']}"}],
        "participant": people,
    }
    if "serviceType" in slot:
        found["serviceType"] = slot["serviceType"]
    return found | ({"comment": reason} if reason else {})

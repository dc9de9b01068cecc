"""$respond: a participant's own answer to a visit, an AppointmentResponse. It books nothing and cancels nothing.

https://hl7.org/fhir/R4/appointmentresponse.html
"""

from __future__ import annotations

from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.booked import people, require_changeable
from ai_layer.drafts.checks.reading import elements, plain, target
from ai_layer.drafts.told import recorded_refusals, referring, text_of
from ai_layer.drafts.wanted import REASON_LETTERS
from ai_layer.recorded import as_system, occasion
from fhir_server.access import audit
from fhir_server.access.actor import Role
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.interactions.update import update
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
ANSWERS = ("accepted", "declined", "tentative")
"""https://hl7.org/fhir/R4/valueset-participationstatus.html"""


@recorded_refusals("respond")
def respond(context: Context, request: OperationRequest) -> Result:
    """The AppointmentResponse; the participant's status in the Appointment says the same."""
    answer, words = text_of(request, "response"), text_of(request, "comment", REASON_LETTERS)
    if answer not in ANSWERS:
        raise FhirError(Problem.BAD_PARAMETER, f"response: expected one of {', '.join(ANSWERS)}.")
    with context.transaction() as inside:
        assert inside.connection is not None
        visit = chart.locked(inside.connection, context.access, "Appointment", request.id)
        actor = _participant(inside, visit)
        if visit.get("status") != "proposed":
            require_changeable(inside, visit, "The visit")
        made = create(as_system(inside), "AppointmentResponse", _response(visit, actor, answer, words))
        _note(inside, visit, actor, answer)
        found = f"AppointmentResponse/{made.id}"
        patient = actor.partition("/")[2] if actor.startswith("Patient/") else ""
        inside.record_event(audit.drafted(occasion(inside), "respond", found, plain(visit), patient))
        return parameters_result(referring(result=found))


def _participant(context: Context, visit: Json) -> str:
    """Who answers: the caller, as a participant. Raises FORBIDDEN for everybody else."""
    actor = context.access.actor
    named = f"Patient/{actor.patient}" if actor.role is Role.PATIENT else actor.fhir_user
    if not named or named not in people(visit):
        raise FhirError(Problem.FORBIDDEN, "Only a participant answers for itself.")
    return named


def _response(visit: Json, actor: str, answer: str, words: str) -> Json:
    found: Json = {
        "resourceType": "AppointmentResponse",
        "appointment": {"reference": plain(visit)},
        "actor": {"reference": actor},
        "participantStatus": answer,
    }
    found |= {name: visit[name] for name in ("start", "end") if name in visit}
    return found | ({"comment": words} if words else {})


def _note(context: Context, visit: Json, actor: str, answer: str) -> None:
    each_one = [
        each | {"status": answer} if target(each.get("actor")) == actor else each
        for each in elements(visit, "participant")
    ]
    version = int(visit["meta"]["versionId"])
    update(as_system(context), "Appointment", visit["id"], visit | {"participant": each_one}, version)

"""$draft-cancellation: a booked visit that somebody wants to cancel, as a Task for a clinician. Nothing is cancelled by it.

https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.booked import people, require_changeable
from ai_layer.drafts.lane import Asked, keep
from ai_layer.drafts.told import recorded_refusals, referring, text_of
from ai_layer.drafts.wanted import REASON_LETTERS
from ai_layer.permission import permission, refused
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]


@recorded_refusals("draft-cancellation")
def draft_cancellation(context: Context, request: OperationRequest) -> Result:
    """The Task; asked again, the same one. CONFLICT where the visit is not booked, or lies in the past."""
    words = text_of(request, "reason", REASON_LETTERS)
    with context.transaction() as inside:
        assert inside.connection is not None
        visit = chart.locked(inside.connection, context.access, "Appointment", request.id)
        patient_id = whose(inside, visit)
        if no := refused(permission(inside, patient_id, AiSettings.of(context.service.settings))):
            raise FhirError(Problem.FORBIDDEN, f"{no.text} {no.reason}")
        require_changeable(inside, visit, "The visit")
        named = f"Appointment/{request.id}"
        asked = Asked("draft-cancellation", "cancellation", patient_id, words, focus=named)
        return parameters_result(referring(task=keep(inside, asked, None, (), [visit]).task))


def whose(context: Context, visit: Json) -> str:
    """The logical id of the visit's one patient. Raises NOT_PROCESSABLE for several, FORBIDDEN where it is not the one in context."""
    patients = {name.partition("/")[2] for name in people(visit) if name.startswith("Patient/")}
    if len(patients) != 1:
        raise FhirError(
            Problem.NOT_PROCESSABLE, "The visit is not that of one patient.", "Appointment.participant"
        )
    (found,) = patients
    if context.access.actor.patient not in (None, "", found):
        raise FhirError(Problem.FORBIDDEN, "The visit is not of the patient in context.")
    return found

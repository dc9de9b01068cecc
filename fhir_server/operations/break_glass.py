"""$break-glass: a clinician opens, in an emergency and for a short time, what Consents and sensitive categories withhold of one patient.

It takes a reason, is recorded with purpose BTG, and tells the patient by a Communication, all in one transaction. Requests that use it say
so: `X-Purpose-Of-Use: BTG`. https://hl7.org/fhir/R4/v3/PurposeOfUse/vs.html
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fhir_server.access import audit
from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store
from fhir_server.store.write import instant

LEAST, MOST = 10, 500
"""Letters of a reason."""
_OPEN = "INSERT INTO break_glass (patient, actor, until) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


def break_glass(context: Context, request: OperationRequest) -> Result:
    """`reason`, 10 to 500 letters. NOT_FOUND where there is no such patient."""
    actor, reason = context.access.actor, _reason(request)
    if actor.role is not Role.CLINICIAN or not actor.fhir_user:
        raise FhirError(Problem.FORBIDDEN, "Only a clinician, signed in, breaks the glass.")
    system = replace(context, access=decide(Actor.system("chartline"), Purpose.HOPERAT), trail=None)
    with context.transaction() as inside:
        assert inside.connection is not None
        found = store.current(inside.connection, system.access, "Patient", request.id)
        if found is None or found.body is None:
            raise FhirError(Problem.NOT_FOUND, f"There is no Patient/{request.id}.")
        until = context.now() + timedelta(minutes=context.service.settings.break_glass_minutes)
        inside.connection.execute(_OPEN, (found.rid, actor.subject, until))
        notice = create(
            replace(system, connection=inside.connection),
            "Communication",
            _notice(context, request.id, until),
        )
        on = audit.Occasion(actor, Purpose.BTG, context.now(), request_id=context.request_id, reason=reason)
        inside.record_event(audit.assisted(on, "break-glass", f"Communication/{notice.id}", request.id))
    return parameters_result(
        [
            {"name": "until", "valueDateTime": instant(until)},
            {"name": "notice", "valueReference": {"reference": f"Communication/{notice.id}"}},
        ]
    )


def _reason(request: OperationRequest) -> str:
    reason = request.value("reason")
    if not isinstance(reason, str) or not LEAST <= len(reason.strip()) <= MOST:
        raise FhirError(Problem.BAD_PARAMETER, f"reason: expected {LEAST} to {MOST} letters.")
    return reason.strip()


def _notice(context: Context, patient: str, until: datetime) -> dict[str, Any]:
    """Says who and until when; why stands in the AuditEvent."""
    whose, now = {"reference": f"Patient/{patient}"}, instant(context.now())
    text = f"In an emergency a clinician opened parts of your record that are otherwise withheld, until {instant(until)}. Your access log says who, and why."
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [{"coding": [Purpose.BTG.as_coding()]}],
        "subject": whose,
        "recipient": [whose],
        "sender": {"reference": context.access.actor.fhir_user},
        "sent": now,
        "payload": [{"contentString": text}],
    }


OPERATION = Operation(
    "break-glass",
    "Open in an emergency what is withheld of one patient",
    break_glass,
    ("Patient",),
    instance=True,
    affects_state=True,
    parameters=(
        Parameter("reason", "in", 1, "1", "string", "why; 10 to 500 letters, kept in the AuditEvent"),
        Parameter("until", "out", 1, "1", "dateTime", "when it is over"),
        Parameter("notice", "out", 1, "1", "Reference", "the Communication to the patient"),
    ),
)

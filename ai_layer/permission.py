"""permission: whether the patient's Consents let the assistant work at all, for this actor and this purpose.

`opt-in`: an active Consent has to permit it; `opt-out`: none may deny it. https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from ai_layer import record
from ai_layer.answers import Answer
from ai_layer.settings import AiSettings
from fhir_server.access.consent import permits
from fhir_server.interactions.context import Context


def refusal(context: Context, patient_id: str, settings: AiSettings) -> Answer | None:
    """The refusal and its rule, or nothing where the assistant may go on."""
    assert context.connection is not None
    decision = permits(
        record.consents(context.connection, patient_id),
        context.access.purpose,
        context.access.actor,
        "opt-in" if settings.opt_in else "opt-out",
        context.now(),
        patient=patient_id,
    )
    if decision.permit:
        return None
    text = "The assistant may not use this record: no Consent of the patient permits it, or one denies it."
    return Answer("refused", text=text, reason=decision.reason)

"""recorded: the AuditEvent of an answer, written in the answer's own transaction. No audit, no answer.

It holds who asked, for what, the manifest and the writer; never a word of the question or of the record.
"""

from __future__ import annotations

from dataclasses import replace

from ai_layer.answers import Answer, Usage
from fhir_server.access import audit
from fhir_server.access.actor import Actor
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.interactions.context import Context


def recorded(
    context: Context, operation: str, patient_id: str, answer: Answer, reference: str = ""
) -> Answer:
    """The answer, once its event is written."""
    details: dict[str, object] = {
        "status": answer.status,
        "writer": answer.writer,
        "claims": len(answer.claims),
    }
    if answer.manifest:
        details["manifest"] = answer.manifest
    if answer.usage is not None:
        details |= counted(context, answer.usage)
    event = audit.assisted(
        occasion(context, answer.reason),
        operation,
        reference or f"Patient/{patient_id}",
        patient_id,
        details=details,
    )
    context.record_event(event)
    return answer


def counted(context: Context, usage: Usage) -> dict[str, object]:
    """What the model took, for the event; it is added to the process's counters too (/metrics)."""
    counters = context.service.counters
    counters["chartline_model_calls_total"] += 1
    counters["chartline_model_failures_total"] += int(usage.failed)
    counters["chartline_model_claims_rejected_total"] += usage.rejected
    counters["chartline_model_tokens_in_total"] += usage.tokens_in
    counters["chartline_model_tokens_out_total"] += usage.tokens_out
    counters["chartline_model_cost_total"] += float(usage.cost)
    return {"tokensIn": usage.tokens_in, "tokensOut": usage.tokens_out, "cost": str(usage.cost)}


def occasion(context: Context, reason: str = "") -> audit.Occasion:
    """Who asks, when and under which request."""
    access = context.access
    return audit.Occasion(
        access.actor,
        access.purpose,
        context.now(),
        request_id=context.request_id,
        reason=reason or access.reason,
    )


def as_system(context: Context) -> Context:
    """The same transaction, for what the server itself has to write: drafts and tasks. The operation's own event tells of it."""
    return replace(context, access=decide(Actor.system("chartline"), Purpose.HOPERAT), trail=None)

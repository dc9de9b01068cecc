"""Recording: no answer and no refusal leaves the server before it stands in the audit log.

What was done is told by the interactions themselves (Context.record); here it is written where no transaction of theirs did it.
docs/adr/0011-audit-log.md
"""

from __future__ import annotations

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import EventStream
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.request import Incoming
from fhir_server.rest.routes import Handler, interaction_of


def recorded(context: Context, incoming: Incoming, handler: Handler) -> Result | EventStream:
    """What the handler answers, once it is in the audit log; a refusal is there as well before it is told."""
    try:
        found = handler(context, incoming)
    except FhirError as error:
        if error.problem is not Problem.UNAVAILABLE:
            _record_refusal(context, incoming, error)
        raise
    context.finish()
    return found


def _record_refusal(context: Context, incoming: Incoming, error: FhirError) -> None:
    if context.trail is None:
        return
    trail, status = context.trail, error.problem.status
    query = incoming.query if incoming.method in ("GET", "HEAD") else ""
    told = context.deed(interaction_of(incoming), "/".join(incoming.segments), query, status=status)
    trail.pending = [] if trail.is_told else [told]
    context.finish()

"""What a write of a SearchParameter is told: a refusal where it cannot be carried out, else what has to happen before it answers.

Where whole packages are loaded, one that cannot be carried out is stored with a warning. https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from fhir_server.interactions.context import Context
from fhir_server.r4.outcome import FhirError, Issue
from fhir_server.search.custom import definitions_of
from fhir_server.store.parameters import DEFINES
from fhir_server.store.write import Write


def keep_parameter(context: Context, write: Write) -> list[Issue]:
    """Nothing to say of other resources. Raises INVALID."""
    if write.type != DEFINES or write.resource is None:
        return []
    try:
        found = definitions_of(
            write.resource, context.service.registry, context.service.parameters.ranker.config
        )
    except FhirError as error:
        if not write.known_content:
            raise
        return [Issue(i.code, i.diagnostics, i.expression, "warning") for i in error.issues]
    if write.resource.get("status") != "active":
        return [_said("Not in force: its status is not active.")]
    if found:
        return [_said("New writes are indexed by it; searches can use it when $reindex has run.")]
    return []


def _said(text: str) -> Issue:
    return Issue("informational", text, severity="information")

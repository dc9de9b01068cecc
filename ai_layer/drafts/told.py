"""What the caller of a draft operation is told: its parameters, its checks, and a refusal that leaves its AuditEvent.

A check that rests on what the caller's token does not reach is told without its words: the clinician sees them in the Task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Protocol

from ai_layer.drafts import chart
from ai_layer.drafts.checks import Check, Outcome
from ai_layer.recorded import occasion
from fhir_server.access import audit
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.writing import again
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
Handler = Callable[[Context, OperationRequest], Result]
NOT_SHOWN = "Not shown: it rests on parts of the record that are withheld here. A clinician has to look."


class Reads(Protocol):
    """A check that says which types of resource it reads."""

    @property
    def reads(self) -> tuple[str, ...]: ...


def recorded_refusals(operation: str) -> Callable[[Handler], Handler]:
    """A handler that runs in one transaction, again where it lost a race; where it refuses, that is recorded by itself."""

    def around(handler: Handler) -> Handler:
        @wraps(handler)
        def call(context: Context, request: OperationRequest) -> Result:
            try:
                return again(context, lambda: handler(context, request))
            except FhirError as error:
                _record_refusal(context, request, operation, error.problem)
                raise

        return call

    return around


def _record_refusal(context: Context, request: OperationRequest, operation: str, problem: Problem) -> None:
    """Who was refused what, and the status that he got; what is not there is not named."""
    is_there = problem not in (Problem.NOT_FOUND, Problem.GONE)
    on = replace(occasion(context), status=problem.status)
    named = f"{request.type}/{request.id}" if is_there else ""
    event = audit.drafted(on, operation, "", named, context.access.actor.patient or "")
    context.record_event(event)
    context.finish()


def text_of(request: OperationRequest, name: str, most: int = 200) -> str:
    """A string parameter. Raises BAD_PARAMETER where it is something else, TOO_LARGE beyond `most` letters."""
    value = request.value(name, "")
    if not isinstance(value, str):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a string.", "Parameters.parameter")
    if len(value) > most:
        raise FhirError(Problem.TOO_LARGE, f"{name}: at most {most} letters.", "Parameters.parameter")
    return value.strip()


def shown(context: Context, checks: Sequence[Check], table: Mapping[str, Reads]) -> list[Check]:
    """The checks as this caller may see them."""
    references = {citation for check in checks for citation in check.citations}
    reached = _reached(context, references)
    return [
        check
        if may_read(context, table[check.name].reads) and set(check.citations) <= reached
        else Check(check.name, Outcome.UNKNOWN, NOT_SHOWN)
        for check in checks
    ]


def may_read(context: Context, types: Sequence[str]) -> bool:
    """Whether the caller's token reaches resources of all these types at all."""
    access = context.access
    return all(access.permits("read", kind) or access.permits("search", kind) for kind in types)


def _reached(context: Context, references: set[str]) -> set[str]:
    """Those of the references whose resources this Access reaches."""
    assert context.connection is not None
    by_type: dict[str, dict[str, str]] = {}
    for reference in references:
        kind, logical_id, *_ = reference.split("/")
        by_type.setdefault(kind, {})[logical_id] = reference
    found = set()
    for kind, named in by_type.items():
        there = chart.named(context.connection, context.access, kind, list(named))
        found |= {named[resource["id"]] for resource in there}
    return found


def parameter(check: Check) -> Json:
    """A check as SURFACE shows it."""
    part: list[Json] = [
        {"name": "name", "valueCode": check.name},
        {"name": "result", "valueCode": str(check.result)},
        {"name": "text", "valueString": check.text},
    ]
    part += [{"name": "citation", "valueReference": {"reference": one}} for one in check.citations]
    return {"name": "check", "part": part}


def referring(**references: str) -> list[Json]:
    """Parameters that are References; those without one are left out."""
    return [
        {"name": name, "valueReference": {"reference": reference}}
        for name, reference in references.items()
        if reference
    ]

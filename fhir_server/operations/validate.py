"""$validate: whether a resource keeps R4's rules, without storing it.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.r4 import json
from fhir_server.r4.definitions import RESOURCE_TYPES
from fhir_server.r4.outcome import FhirError, Issue, Problem, information, operation_outcome
from fhir_server.r4.validate import validate as issues_of

MODES = ("create", "update", "delete", "profile")


def validate(context: Context, request: OperationRequest) -> Result:
    """200 with an OperationOutcome, whatever it says. Profiles are not looked at by this version, and that is said."""
    resource, mode = request.value("resource"), request.value("mode", "")
    if mode and mode not in MODES:
        raise FhirError(Problem.BAD_PARAMETER, f"mode: expected one of {', '.join(MODES)}.")
    if not isinstance(resource, dict):
        raise FhirError(Problem.BAD_REQUEST, "There is no resource to validate.", "Parameters.parameter")
    issues = [*_of_type(resource, request.type), *issues_of(resource, deep=True)]
    if request.value("profile"):
        issues.append(
            Issue("not-supported", "Profiles are not looked at by this version.", severity="warning")
        )
    outcome = operation_outcome(issues) if issues else information("All is as R4 asks.")
    return Result(200, json.encode(outcome))


def _of_type(resource: dict[str, Any], expected: str) -> list[Issue]:
    if expected and resource.get("resourceType") != expected:
        return [Issue("structure", f"Expected a {expected}.", "resourceType")]
    return []


OPERATION = Operation(
    "validate",
    "Check a resource against R4",
    validate,
    RESOURCE_TYPES,
    type_level=True,
    instance=True,
    parameters=(
        Parameter("resource", "in", 0, "1", "Resource", "what is checked"),
        Parameter("mode", "in", 0, "1", "code", "create, update, delete or profile"),
        Parameter("profile", "in", 0, "1", "uri", "a profile; not looked at by this version"),
        Parameter("return", "out", 1, "1", "OperationOutcome", "what was found"),
    ),
)

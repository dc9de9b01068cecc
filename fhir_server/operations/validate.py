"""$validate: whether a resource keeps R4's rules and its profiles', and may be written or deleted; nothing is stored.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.read import read
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.r4 import json
from fhir_server.r4.definitions import RESOURCE_TYPES
from fhir_server.r4.outcome import FhirError, Issue, Problem, information, operation_outcome
from fhir_server.r4.profiles.conform import conform
from fhir_server.r4.validate import validate as issues_of

Json = dict[str, Any]


def validate(context: Context, request: OperationRequest) -> Result:
    """200 with an OperationOutcome, whatever it says. Raises NOT_FOUND where the stored resource is asked for and not there."""
    mode, profiles = request.value("mode", ""), request.values("profile")
    if mode and mode not in MODES:
        raise FhirError(Problem.BAD_PARAMETER, f"mode: expected one of {', '.join(MODES)}.")
    if mode == "profile" and not profiles:
        raise FhirError(Problem.BAD_REQUEST, "mode is profile, and no profile is named.")
    issues = MODES[mode](context, request) if mode else []
    if mode != "delete":
        resource = _resource(context, request)
        issues += [*_of_type(resource, request.type), *_judged(context, resource, profiles)]
    issues.sort(key=lambda issue: _ORDER.get(issue.severity, 2))
    return Result(200, json.encode(operation_outcome(issues) if issues else information(_FINE)))


_FINE = "All is as R4 and the profiles ask."
_ORDER = {"error": 0, "warning": 1}


def _resource(context: Context, request: OperationRequest) -> Json:
    """The one in the body, or the one that is stored under the address."""
    found = request.value("resource")
    if found is None and request.id:
        return json.decode_object(read(context, request.type, request.id).body or b"")
    if not isinstance(found, dict):
        raise FhirError(Problem.BAD_REQUEST, "There is no resource to validate.", "Parameters.parameter")
    return found


def _judged(context: Context, resource: Json, profiles: Sequence[Any]) -> list[Issue]:
    """R4's rules; the profiles' where the structure is sound enough to be asked for them."""
    issues = issues_of(resource, deep=True)
    if any(issue.code == "structure" and issue.severity == "error" for issue in issues):
        return issues
    asked = [profile for profile in profiles if isinstance(profile, str)]
    return issues + conform(resource, context.service.library, asked, context.service.sets)


def _of_type(resource: Json, expected: str) -> list[Issue]:
    if expected and resource.get("resourceType") != expected:
        return [Issue("structure", f"Expected a {expected}.", "resourceType")]
    return []


def _as_create(context: Context, request: OperationRequest) -> list[Issue]:
    return _permitted(context, "create", request.type)


def _as_update(context: Context, request: OperationRequest) -> list[Issue]:
    resource = request.value("resource")
    given = resource.get("id") if isinstance(resource, dict) else request.id
    issues = _permitted(context, "update", request.type)
    if not given or (request.id and given != request.id):
        text = "An update has the id of the address." if request.id else "An update has an id."
        issues.append(Issue("value", text, f"{request.type}.id"))
    return issues


def _as_delete(context: Context, request: OperationRequest) -> list[Issue]:
    if not request.id:
        raise FhirError(Problem.BAD_REQUEST, "mode is delete, and the address names no resource.")
    read(context, request.type, request.id)
    return _permitted(context, "delete", request.type)


def _permitted(context: Context, interaction: str, resource_type: str) -> list[Issue]:
    try:
        context.access.require(interaction, resource_type)
    except FhirError as error:
        return list(error.issues)
    return []


MODES: dict[str, Callable[[Context, OperationRequest], list[Issue]]] = {
    "create": _as_create,
    "update": _as_update,
    "delete": _as_delete,
    "profile": lambda context, request: [],
}
"""What else is asked where somebody is about to create, update or delete."""

OPERATION = Operation(
    "validate",
    "Check a resource against R4 and its profiles",
    validate,
    RESOURCE_TYPES,
    type_level=True,
    instance=True,
    parameters=(
        Parameter("resource", "in", 0, "1", "Resource", "what is checked; at an instance: the stored one"),
        Parameter("mode", "in", 0, "1", "code", "create, update, delete or profile"),
        Parameter("profile", "in", 0, "*", "uri", "profiles to keep, beside those of meta.profile"),
        Parameter("return", "out", 1, "1", "OperationOutcome", "what was found"),
    ),
)

"""An HTTP request at `$name` -> the operation's handler, with its parameters out of the query or the body.

https://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol
from urllib.parse import urlencode

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import EventStream, Operation, OperationRequest
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem

_CONTROL = ("_format", "_pretty")


class Request(Protocol):
    """What a call needs of an HTTP request."""

    method: str
    body: bytes
    headers: Any

    @property
    def segments(self) -> tuple[str, ...]: ...
    @property
    def content_type(self) -> str: ...
    @property
    def pairs(self) -> list[tuple[str, str]]: ...

    def resource(self) -> dict[str, Any]: ...


def call(context: Context, incoming: Request) -> Result | EventStream:
    """Carry out the operation that the path names. Raises NO_ROUTE, METHOD_NOT_ALLOWED, FORBIDDEN."""
    code = incoming.segments[-1].removeprefix("$")
    kind = incoming.segments[0] if incoming.segments[0] in TYPE_CODE else ""
    logical_id = incoming.segments[1] if len(incoming.segments) >= 3 else ""
    version = incoming.segments[3] if len(incoming.segments) == 5 else ""
    operation: Operation | None = context.service.operations.find(code, kind, instance=bool(logical_id))
    if operation is None or (version and not operation.version_level):
        raise FhirError(Problem.NO_ROUTE, f"There is no operation ${code} at this address.")
    if operation.affects_state and incoming.method != "POST":
        raise FhirError(Problem.METHOD_NOT_ALLOWED, f"${code} changes things, so it is called with POST.")
    handler = operation.on_delete if incoming.method == "DELETE" else operation.handler
    if handler is None:
        raise FhirError(Problem.METHOD_NOT_ALLOWED, f"${code} is called with GET or POST.")
    deed = context.deed("operation", "/".join(incoming.segments), _query(incoming))
    with context.trail.during(deed) if context.trail else nullcontext():
        context.access.require(f"${code}", kind)
        return handler(context, _request(operation, incoming, (kind, logical_id, version)))


def _query(incoming: Request) -> str:
    """What stood in the address; a body may hold content, and is not kept."""
    return urlencode(incoming.pairs) if incoming.method != "POST" else ""


def _request(operation: Operation, incoming: Request, place: tuple[str, str, str]) -> OperationRequest:
    kind, logical_id, version = place
    events = "text/event-stream" in incoming.headers.get("accept", "")
    if operation.takes_any_body and incoming.method == "POST":
        return OperationRequest(kind, logical_id, {}, incoming.body, incoming.content_type, events)
    return OperationRequest(kind, logical_id, _parameters(incoming), wants_events=events, version=version)


def _parameters(incoming: Request) -> dict[str, Any]:
    """The body's Parameters, a single resource as parameter `resource`, and what the query adds."""
    found: list[dict[str, Any]] = []
    if (
        incoming.method == "POST"
        and incoming.body
        and incoming.content_type != "application/x-www-form-urlencoded"
    ):
        resource = incoming.resource()
        if resource.get("resourceType") == "Parameters":
            found += _checked(resource.get("parameter", []))
        else:
            found.append({"name": "resource", "resource": resource})
    found += [{"name": name, "valueString": value} for name, value in incoming.pairs if name not in _CONTROL]
    return {"resourceType": "Parameters", "parameter": found}


def _checked(parameters: Sequence[Any]) -> list[dict[str, Any]]:
    if not isinstance(parameters, list) or not all(
        isinstance(p, dict) and isinstance(p.get("name"), str) for p in parameters
    ):
        raise FhirError(Problem.INVALID, "Each parameter is an object with a name.", "Parameters.parameter")
    return parameters

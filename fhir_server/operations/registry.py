"""Operation: a named handler with its OperationDefinition; EventStream: an answer that comes piece by piece.

https://hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.r4 import json

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """A call: `type` and `id` are empty at the levels that have none; `parameters` is a Parameters resource, made of the query if need be.

    `body` holds the bytes as they came, for operations that take something else than Parameters.
    """

    type: str
    id: str
    parameters: Json
    body: bytes = b""
    content_type: str = ""
    wants_events: bool = False
    version: str = ""

    def values(self, name: str) -> list[Any]:
        """The values of a parameter, resources and Parameter parts included."""
        found = [p for p in self.parameters.get("parameter", []) if p.get("name") == name]
        return [next((v for k, v in p.items() if k != "name"), None) for p in found]

    def value(self, name: str, default: Any = None) -> Any:
        """The first value of a parameter."""
        return next(iter(self.values(name)), default)


@dataclass(frozen=True, slots=True)
class EventStream:
    """Server-sent events, each as its bytes."""

    events: Iterator[bytes]


Handler = Callable[[Context, OperationRequest], Result | EventStream]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an OperationDefinition."""

    name: str
    use: str
    min: int
    max: str
    type: str
    documentation: str
    part: tuple[Parameter, ...] = ()

    def as_json(self) -> Json:
        """As OperationDefinition.parameter."""
        found: Json = {
            "name": self.name,
            "use": self.use,
            "min": self.min,
            "max": self.max,
            "documentation": self.documentation,
        }
        if self.part:
            return found | {"part": [part.as_json() for part in self.part]}
        return found | {"type": self.type}


@dataclass(frozen=True, slots=True)
class Operation:
    """`code` without its dollar sign; `types`: resource types it is for (empty with `system`); `affects_state`: POST only.

    `on_delete`: what DELETE means at its address, where that is something. https://hl7.org/fhir/R4/async.html
    """

    code: str
    title: str
    handler: Handler
    types: tuple[str, ...] = ()
    system: bool = False
    type_level: bool = False
    instance: bool = False
    version_level: bool = False
    affects_state: bool = False
    takes_any_body: bool = False
    on_delete: Handler | None = None
    parameters: tuple[Parameter, ...] = ()
    description: str = ""

    def definition(self, base: str) -> Json:
        """Its OperationDefinition."""
        return {
            "resourceType": "OperationDefinition",
            "id": self.id,
            "url": f"{base}/OperationDefinition/{self.id}",
            "name": "".join(part.capitalize() for part in self.code.split("-")),
            "title": self.title,
            "status": "active",
            "kind": "operation",
            "description": self.description or self.title,
            "affectsState": self.affects_state,
            "code": self.code,
            **({"resource": list(self.types)} if self.types else {}),
            "system": self.system,
            "type": self.type_level,
            "instance": self.instance,
            "parameter": [parameter.as_json() for parameter in self.parameters],
        }

    @property
    def id(self) -> str:
        """Logical id of its OperationDefinition."""
        return "-".join([*self.types[:1], self.code]) if len(self.types) == 1 else f"chartline-{self.code}"


class Operations:
    """All operations of this server, found by code, type and level."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.all = tuple(operations)

    def find(self, code: str, resource_type: str, *, instance: bool) -> Operation | None:
        """The operation of this code at this level, or None."""
        return next((o for o in self.all if o.code == code and _fits(o, resource_type, instance)), None)


def _fits(operation: Operation, resource_type: str, instance: bool) -> bool:
    if not resource_type:
        return operation.system
    of_type = not operation.types or resource_type in operation.types
    return of_type and (operation.instance if instance else operation.type_level)


def parameters_result(parameters: Sequence[Json], status: int = 200) -> Result:
    """A Result that is a Parameters resource."""
    return Result(status, json.encode({"resourceType": "Parameters", "parameter": list(parameters)}))

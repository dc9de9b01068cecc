"""$meta, $meta-add, $meta-delete: profiles, tags and security labels, of a resource and of all that may be read.

A label is told from another by system and code, a profile by its whole url. A change of labels is a new version like any other change,
so that what was cited stays what it was. https://hl7.org/fhir/R4/resource-operation-meta.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.patch import held
from fhir_server.interactions.read import read, vread
from fhir_server.interactions.writing import again, checked, keep_profiles
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.r4 import json
from fhir_server.r4.definitions import RESOURCE_TYPES
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import labels
from fhir_server.store.write import Write

Json = dict[str, Any]
LISTS = ("profile", "security", "tag")
Change = Callable[[list[Any], list[Any]], list[Any]]


def meta(context: Context, request: OperationRequest) -> Result:
    """Of a version, of the current version, of a resource type, or of everything that this Access reaches."""
    if request.version:
        found = read_meta(vread(context, request.type, request.id, request.version))
    elif request.id:
        found = read_meta(read(context, request.type, request.id))
    else:
        found = _in_use(context, request.type)
    return _answer(found)


def read_meta(result: Result) -> Json:
    """The resource's meta as it stands there."""
    found = json.decode_object(result.body or b"{}").get("meta")
    return found if isinstance(found, dict) else {}


def _in_use(context: Context, resource_type: str) -> Json:
    types = [resource_type] if resource_type else RESOURCE_TYPES
    numbers = {name: _numbers(context, types, f"_{name}") for name in LISTS}
    with context.connect() as connection:
        found = labels.in_use(connection, context.access, numbers)
    return {name: values for name in LISTS if (values := found[name])}


def _numbers(context: Context, types: Any, code: str) -> list[int]:
    parameters = (context.service.registry.get(name, code) for name in types)
    return sorted({number for p in parameters if p for number in p.stored})


def meta_add(context: Context, request: OperationRequest) -> Result:
    """The labels are there afterwards, each once; those that were there keep their version and display."""
    return _change(context, request, _added)


def meta_delete(context: Context, request: OperationRequest) -> Result:
    """The labels are gone afterwards; one that was not there is no failure."""
    return _change(context, request, _removed)


def _change(context: Context, request: OperationRequest, change: Change) -> Result:
    given = request.value("meta")
    if not isinstance(given, dict):
        raise FhirError(
            Problem.BAD_REQUEST, "meta: expected a parameter with a valueMeta.", "Parameters.parameter"
        )
    return again(context, partial(_changed, context, request, given, change))


def _changed(context: Context, request: OperationRequest, given: Json, change: Change) -> Result:
    with context.transaction() as inside:
        assert inside.connection is not None
        resource = held(inside, request.type, request.id)
        kept = dict(resource.get("meta") or {})
        for name in LISTS:
            kept[name] = change(list(kept.get(name, ())), _listed(given, name))
        resource["meta"] = {name: value for name, value in kept.items() if value}
        write = Write(request.type, request.id, checked(resource, request.type))
        keep_profiles(inside, write)
        inside.apply(inside.connection, [write])
        return _answer(read_meta(Result(200, write.body)))


def _listed(given: Json, name: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list):
        raise FhirError(Problem.INVALID, f"meta.{name} is a list.", f"Meta.{name}")
    return found


def _added(there: list[Any], given: list[Any]) -> list[Any]:
    """Both, each identity once."""
    found = {_identity(label): label for label in [*given, *there]}
    for label in there:
        found[_identity(label)] = label
    order = dict.fromkeys(map(_identity, [*there, *given]))
    return [found[identity] for identity in order]


def _removed(there: list[Any], given: list[Any]) -> list[Any]:
    gone = set(map(_identity, given))
    return [label for label in there if _identity(label) not in gone]


def _identity(label: Any) -> bytes:
    """Version and display do not count; whatever is no label at all is told by its JSON, and refused later."""
    return json.encode([label.get("system"), label.get("code")] if isinstance(label, dict) else label)


def _answer(found: Json) -> Result:
    return parameters_result([{"name": "return", "valueMeta": found}])


_OUT = Parameter("return", "out", 1, "1", "Meta", "the labels afterwards")
OPERATION = Operation(
    "meta",
    "Profiles, tags and security labels in use",
    meta,
    RESOURCE_TYPES,
    system=True,
    type_level=True,
    instance=True,
    version_level=True,
    parameters=(Parameter("return", "out", 1, "1", "Meta", "of the resource, or all that are in use"),),
)
ADD = Operation(
    "meta-add",
    "Add profiles, tags and security labels to a resource",
    meta_add,
    RESOURCE_TYPES,
    instance=True,
    affects_state=True,
    parameters=(Parameter("meta", "in", 1, "1", "Meta", "what is added"), _OUT),
)
DELETE = Operation(
    "meta-delete",
    "Take profiles, tags and security labels off a resource",
    meta_delete,
    RESOURCE_TYPES,
    instance=True,
    affects_state=True,
    parameters=(Parameter("meta", "in", 1, "1", "Meta", "what is taken off"), _OUT),
)

"""patch: change parts of a resource; the version changes only where its content does.

JSON Patch comes as a list (in a Bundle: as a Binary that holds it), FHIRPath Patch as Parameters, JSON Merge Patch as Merge. The id and the type stay as they
are. https://hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fhir_server.interactions import conditional
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.links import make_local
from fhir_server.interactions.writing import again, checked, keep_profiles, result_of
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.patch import Merge, fhirpath_patch, json_patch, merge_patch
from fhir_server.store import read as store
from fhir_server.store.write import Write

Patch = list[Any] | dict[str, Any] | Merge
_LOCK = "SELECT FROM resource WHERE type = %s AND id = %s FOR UPDATE"


def patch(
    context: Context,
    resource_type: str,
    logical_id: str,
    criteria: str,
    change: Patch,
    if_match: int | None = None,
) -> Result:
    """Patch the resource, or the one that the criteria match. Raises NOT_FOUND, MULTIPLE_MATCHES, PRECONDITION_FAILED."""
    context.access.require("patch", resource_type)

    def attempt() -> Result:
        with context.transaction() as inside:
            assert inside.connection is not None
            found = logical_id or conditional.one_match(inside, resource_type, criteria)
            if not found:
                raise FhirError(Problem.NOT_FOUND, f"No {resource_type} matches the condition.")
            resource = patched(inside, resource_type, found, change)
            make_local(inside, resource)
            write = Write(resource_type, found, resource, if_match=if_match)
            keep_profiles(inside, write)
            inside.apply(inside.connection, [write], "patch")
            return result_of(write)

    return again(context, attempt)


def patched(context: Context, resource_type: str, logical_id: str, change: Patch) -> dict[str, Any]:
    """The resource as it would be, checked."""
    changed = _apply(held(context, resource_type, logical_id), change)
    if changed.get("resourceType") != resource_type or changed.get("id") != logical_id:
        raise FhirError(
            Problem.INVALID, "A patch cannot change a resource's type or id.", f"{resource_type}.id"
        )
    return checked(changed, resource_type)


def held(context: Context, resource_type: str, logical_id: str) -> dict[str, Any]:
    """The current version. Its row stays locked, so nobody changes it in between. Raises NOT_FOUND or GONE."""
    assert context.connection is not None
    context.connection.execute(_LOCK, (TYPE_CODE[resource_type], logical_id))
    found = store.current(context.connection, context.access, resource_type, logical_id)
    if found is None:
        raise FhirError(Problem.NOT_FOUND, f"There is no {resource_type}/{logical_id}.")
    if found.body is None:
        raise FhirError(Problem.GONE, f"{resource_type}/{logical_id} was deleted.")
    return json.decode_object(found.body)


def _apply(resource: dict[str, Any], change: Patch) -> dict[str, Any]:
    if isinstance(change, list):
        return json_patch(resource, change)
    if isinstance(change, Merge):
        return merge_patch(resource, change.change)
    kind = change.get("resourceType") if isinstance(change, dict) else None
    if kind == "Parameters":
        return fhirpath_patch(resource, change)
    if kind == "Binary":
        return json_patch(resource, _inner(change))
    raise FhirError(
        Problem.BAD_REQUEST, "Expected a JSON Patch (a list), Parameters, or a Binary with a JSON Patch."
    )


def _inner(binary: dict[str, Any]) -> list[Any]:
    try:
        found = json.decode(base64.b64decode(str(binary.get("data", "")), validate=True))
    except (binascii.Error, ValueError):
        raise FhirError(Problem.BAD_REQUEST, "Binary.data is not base64.", "Binary.data") from None
    if not isinstance(found, list):
        raise FhirError(Problem.BAD_REQUEST, "The Binary holds no JSON Patch.", "Binary.data")
    return found

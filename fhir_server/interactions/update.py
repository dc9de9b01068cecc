"""update: a new version of a resource, or the resource itself under the client's id.

https://hl7.org/fhir/R4/http.html#update, #upsert and #cond-update
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions import conditional
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.links import make_local
from fhir_server.interactions.writing import again, check_id, checked, keep_profiles, result_of
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import Write


def update(
    context: Context,
    resource_type: str,
    logical_id: str,
    resource: dict[str, Any],
    if_match: int | None = None,
) -> Result:
    """200, or 201 where the id is new. PRECONDITION_FAILED where `if_match` is not the current version."""
    context.access.require("update", resource_type)
    check_id(logical_id)
    if resource.get("id") != logical_id:
        raise FhirError(
            Problem.BAD_REQUEST, "The id in the body has to be the id in the address.", f"{resource_type}.id"
        )
    checked(resource, resource_type)
    return again(context, lambda: _update(context, resource_type, logical_id, resource, if_match))


def conditional_update(
    context: Context, resource_type: str, criteria: str, resource: dict[str, Any], if_match: int | None = None
) -> Result:
    """Update the one match; create where there is none; MULTIPLE_MATCHES for several."""
    context.access.require("update", resource_type)
    checked(resource, resource_type)
    return again(context, lambda: _conditional(context, resource_type, criteria, resource, if_match))


def _update(
    context: Context, resource_type: str, logical_id: str, resource: dict[str, Any], if_match: int | None
) -> Result:
    with context.transaction() as inside:
        inside.require_visible(resource_type, logical_id)
        return _written(inside, resource_type, resource, if_match)


def _written(inside: Context, resource_type: str, resource: dict[str, Any], if_match: int | None) -> Result:
    """Write it, in the running transaction."""
    assert inside.connection is not None
    make_local(inside, resource)
    write = Write(resource_type, resource["id"], resource, if_match=if_match)
    keep_profiles(inside, write)
    inside.apply(inside.connection, [write])
    return result_of(write)


def _conditional(
    context: Context, resource_type: str, criteria: str, resource: dict[str, Any], if_match: int | None
) -> Result:
    with context.transaction() as inside:
        found = conditional.one_match(inside, resource_type, criteria)
        given = resource.get("id")
        if found and given and given != found:
            raise FhirError(
                Problem.BAD_REQUEST, "The body's id is not the id of the match.", f"{resource_type}.id"
            )
        if given and not found:
            inside.require_visible(resource_type, check_id(given))
        resource["id"] = check_id(found or given or context.service.new_id())
        return _written(inside, resource_type, resource, if_match)

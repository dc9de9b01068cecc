"""read and vread: the current version of a resource, or one of its versions.

404 where nothing is (or nothing that may be seen), 410 where it was deleted. https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from fhir_server.interactions import telling
from fhir_server.interactions.context import Context, Result
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.sql import Fragment
from fhir_server.store import read as store
from fhir_server.store.read import Version


def read(context: Context, resource_type: str, logical_id: str) -> Result:
    """The current version. Raises NOT_FOUND or GONE."""
    context.access.require("read", resource_type)
    if resource_type == "AuditEvent":
        telling.catch_up(context.service)
    with context.connect() as connection:
        found = _there(
            store.current(connection, context.access, resource_type, logical_id), resource_type, logical_id
        )
        context.record("read", f"{resource_type}/{logical_id}", shown=[(found.rid, found.version)])
    return result_of(found)


def vread(context: Context, resource_type: str, logical_id: str, version: str) -> Result:
    """That version, current or superseded. Raises NOT_FOUND, or GONE where it is the deletion."""
    context.access.require("read", resource_type)
    same = Fragment(
        "v.type = %s AND v.id = %s AND v.version::text = %s", (TYPE_CODE[resource_type], logical_id, version)
    )
    with context.connect() as connection:
        versions = store.versions(connection, context.access, same, limit=1)
        found = _there(versions[0] if versions else None, resource_type, f"{logical_id}/_history/{version}")
        context.record("vread", f"{resource_type}/{logical_id}", shown=[(found.rid, found.version)])
    return result_of(found)


def _there(found: Version | None, resource_type: str, logical_id: str) -> Version:
    if found is None:
        raise FhirError(Problem.NOT_FOUND, f"There is no {resource_type}/{logical_id}.")
    if found.body is None:
        raise FhirError(Problem.GONE, f"{resource_type}/{logical_id} was deleted.")
    return found


def result_of(found: Version) -> Result:
    """200 with the version's own body."""
    location = f"{found.type}/{found.id}/_history/{found.version}"
    return Result(200, found.body, found.type, found.id, found.version, found.last_updated, location)

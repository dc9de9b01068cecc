"""create: a new resource under an id that the server gives; with If-None-Exist, only where nothing matches.

https://hl7.org/fhir/R4/http.html#create and #ccreate
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions import conditional, read
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.links import make_local
from fhir_server.interactions.writing import again, checked, keep_profiles, result_of
from fhir_server.store.write import Write


def create(context: Context, resource_type: str, resource: dict[str, Any], if_none_exist: str = "") -> Result:
    """201 with the new resource; 200 with the one match of `if_none_exist`; MULTIPLE_MATCHES for several."""
    context.access.require("create", resource_type)
    checked(resource, resource_type)
    return again(context, lambda: _create(context, resource_type, resource, if_none_exist))


def _create(context: Context, resource_type: str, resource: dict[str, Any], if_none_exist: str) -> Result:
    with context.transaction() as inside:
        assert inside.connection is not None
        if if_none_exist:
            found = conditional.one_match(inside, resource_type, if_none_exist)
            if found:
                return read.read(inside, resource_type, found)
        make_local(inside, resource)
        write = Write(resource_type, context.service.new_id(), resource, is_new=True)
        keep_profiles(inside, write)
        inside.apply(inside.connection, [write])
    return result_of(write)

"""Which value set an operation is about: that of the address, of the body, of a URL, or of an element's binding.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.context import Context
from fhir_server.operations.registry import OperationRequest, Parameter
from fhir_server.operations.terms import catalog, resource_of, stored, text_of
from fhir_server.r4.definitions import elements
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.profiles.library import base_type

Json = dict[str, Any]
CONTEXT = Parameter(
    "context", "in", 0, "1", "uri", "or the element that is bound to it: StructureDefinition URL#path"
)
VALUE_SET = Parameter("valueSet", "in", 0, "1", "ValueSet", "or the value set itself")
SET_VERSION = Parameter("valueSetVersion", "in", 0, "1", "string", "version of the value set")


def set_of(context: Context, request: OperationRequest) -> Json:
    """The ValueSet. Raises NOT_FOUND, BAD_REQUEST, CannotTell."""
    found = stored(context, request) if request.id else resource_of(request, "valueSet", "ValueSet")
    if found is not None:
        return found
    url, version = text_of(request, "url"), text_of(request, "valueSetVersion")
    place = text_of(request, "context")
    if not url and place:
        url = _bound(context, place)
    if not url:
        raise FhirError(Problem.BAD_REQUEST, "Which value set is meant? Give url, valueSet or context.")
    return catalog(context).require_value_set(f"{url.partition('|')[0]}|{version}" if version else url)


def _bound(context: Context, place: str) -> str:
    """The value set that an element is bound to."""
    url, _, path = place.partition("#")
    kind = base_type(url)
    found = _of_type(kind, path) if kind else _of_profile(context, url, path)
    if not found:
        raise FhirError(Problem.NOT_FOUND, "context: no element of this name has a value set.")
    return found


def _of_type(kind: str, path: str) -> str:
    holder, _, name = (path if path.startswith(kind) else f"{kind}.{path}").rpartition(".")
    try:
        found = elements(holder).get(name.removesuffix("[x]")) or elements(holder).get(name)
    except KeyError:
        return ""
    return found.binding[1] if found and found.binding else ""


def _of_profile(context: Context, url: str, path: str) -> str:
    definition = context.service.library.definition(url) or {}
    kind = str(definition.get("type", ""))
    wanted = path if path.startswith(kind) else f"{kind}.{path}"
    for view in ("snapshot", "differential"):
        for row in definition.get(view, {}).get("element", ()):
            if wanted in (row.get("id"), row.get("path")) and row.get("binding", {}).get("valueSet"):
                return str(row["binding"]["valueSet"])
    return _of_type(kind, wanted) if kind else ""

"""capabilities: the CapabilityStatement, computed from the tables that the server works by.

https://hl7.org/fhir/R4/http.html#capabilities and https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.interactions.about import about
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.terminology_capabilities import terminology_capabilities
from fhir_server.r4 import json
from fhir_server.r4.definitions import RESOURCE_TYPES
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.profiles.library import base_type
from fhir_server.search.conditions import MODIFIERS
from fhir_server.search.named import QUERIES
from fhir_server.search.parameters import Parameter
from fhir_server.store import packages

TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
PATCH_FORMATS = (
    "application/json-patch+json",
    "application/fhir+json",
    "application/fhir+xml",
    "application/merge-patch+json",
)
SPECIAL = {"_id": "token", "_lastUpdated": "date", "_list": "special", "_filter": "special"}
SMART = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
Json = dict[str, Any]


def capabilities(context: Context, mode: str = "") -> Result:
    """The CapabilityStatement; modes `full` and `normative` are the same here. `terminology` is another resource."""
    if mode == "terminology":
        return Result(200, json.encode(terminology_capabilities(context)))
    if mode not in ("", "full", "normative"):
        raise FhirError(Problem.NOT_SUPPORTED, "mode: this server answers full, normative and terminology.")
    return Result(200, json.encode(_statement(context)))


def _statement(context: Context) -> Json:
    return {
        "resourceType": "CapabilityStatement",
        "id": "chartline",
        **about(context, "metadata", "Chartline", "Chartline FHIR R4 server"),
        "fhirVersion": "4.0.1",
        "format": [
            "application/fhir+json",
            "application/fhir+xml",
            "application/fhir+ndjson",
            "json",
            "xml",
            "ndjson",
        ],
        "patchFormat": list(PATCH_FORMATS),
        "rest": [_rest(context)],
    }


def _rest(context: Context) -> Json:
    return {
        "mode": "server",
        "security": _security(context),
        "resource": _resources(context),
        "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
        "searchParam": [{"name": name, "type": kind} for name, kind in SPECIAL.items()],
        "operation": [_operation(context, o) for o in context.service.operations.all if o.system],
        "compartment": [
            f"http://hl7.org/fhir/CompartmentDefinition/{n}"
            for n in ("patient", "encounter", "practitioner", "relatedPerson", "device")
        ],
    }


def _security(context: Context) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    if context.service.settings.auth == "off":
        return {"cors": True, "description": "No token is asked for; the server is bound to this machine."}
    return {"cors": True, "service": [{"coding": [{"system": system, "code": "SMART-on-FHIR"}]}]}


def _resources(context: Context) -> list[Json]:
    """Each type, with the profiles that were stored for it: resources that claim one are judged by it."""
    kind, url = (context.service.registry.get("StructureDefinition", name) for name in ("type", "url"))
    assert kind is not None
    assert url is not None
    with context.connect() as connection:
        stored = packages.profiles(connection, kind.id, url.id)
    return [_resource(context, name, _constraining(stored.get(name, ()))) for name in RESOURCE_TYPES]


def _constraining(urls: Sequence[str]) -> list[str]:
    """R4's own definition of a type is no profile of it."""
    return [url for url in urls if not base_type(url)]


def _resource(context: Context, name: str, profiles: Sequence[str]) -> Json:
    registry = context.service.registry
    parameters = registry.by_type.get(name, {})
    references = [p for p in parameters.values() if p.type == "reference"]
    found: Json = {
        "type": name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        "interaction": [{"code": code} for code in TYPE_INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": context.service.settings.conditional_delete,
        "referencePolicy": ["literal", "logical", "local"],
        "searchInclude": ["*", *sorted(f"{name}:{p.code}" for p in references)],
        "searchRevInclude": sorted(_reverse(context, name)),
        "searchParam": [_parameter(p) for p in parameters.values()]
        + [{"name": n, "type": t} for n, t in SPECIAL.items()],
    }
    operations = [
        _operation(context, o)
        for o in context.service.operations.all
        if (o.type_level or o.instance) and (not o.types or name in o.types)
    ]
    operations += [
        {"name": q.name, "definition": f"{context.base}/OperationDefinition/{q.id}"}
        for q in QUERIES.values()
        if q.type == name
    ]
    if profiles:
        found["supportedProfile"] = list(profiles)
    return found | ({"operation": operations} if operations else {})


def _parameter(parameter: Parameter) -> Json:
    found: Json = {"name": parameter.code, "type": parameter.type}
    if parameter.url:
        found["definition"] = parameter.url
    said = [] if parameter.is_ready else ["Not usable until $reindex has run."]
    if MODIFIERS[parameter.type]:
        modifiers = ", ".join(f":{m}" for m in ("missing", *MODIFIERS[parameter.type]))
        said.append(f"Modifiers: {modifiers}")
    return found | ({"documentation": " ".join(said)} if said else {})


def _reverse(context: Context, name: str) -> list[str]:
    every = (p for parameters in context.service.registry.by_type.values() for p in parameters.values())
    return [f"{p.base}:{p.code}" for p in every if p.type == "reference" and name in p.targets]


def _operation(context: Context, operation: Any) -> Json:
    return {"name": operation.code, "definition": f"{context.base}/OperationDefinition/{operation.id}"}

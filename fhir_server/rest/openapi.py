"""/docs: an OpenAPI page of the FHIR API, made of the same table of routes and of the operations."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fhir_server.interactions.capabilities import VERSION
from fhir_server.interactions.context import Service
from fhir_server.r4.definitions import RESOURCE_TYPES
from fhir_server.rest.routes import ROUTES, Shape

Json = dict[str, Any]
_PATH = {"T": "{type}", "I": "{id}", "V": "{version}", "C": "{compartmentType}", "$": "{operation}"}
_SCHEMAS: dict[str, Json] = {
    "type": {"type": "string", "enum": list(RESOURCE_TYPES)},
    "id": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
    "version": {"type": "string", "pattern": r"^[0-9]{1,9}$"},
    "compartmentType": {"type": "string", "enum": ["*", *RESOURCE_TYPES]},
    "operation": {"type": "string", "pattern": r"^\$[a-z\-]+$"},
}
_BODY = {"application/fhir+json": {"schema": {"type": "object"}}}
_OUTCOME = {"description": "OperationOutcome", "content": _BODY}


def describe(app: FastAPI, service: Service) -> None:
    """Give the app its OpenAPI document."""

    def document() -> Json:
        if app.openapi_schema is None:
            found = get_openapi(
                title="Chartline", version=VERSION, routes=app.routes, description="FHIR R4 under /fhir."
            )
            found["paths"] |= {_path(shape): _item(shape, list(methods)) for shape, methods in ROUTES.items()}
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _path(shape: Shape) -> str:
    return "/".join(("/fhir", *(_PATH.get(part, part) for part in shape)))


def _item(shape: Shape, methods: list[str]) -> Json:
    names = [_PATH[part].strip("{}") for part in shape if part in _PATH]
    parameters = [{"name": name, "in": "path", "required": True, "schema": _SCHEMAS[name]} for name in names]
    return {method.lower(): _operation(shape, method, parameters) for method in methods}


def _operation(shape: Shape, method: str, parameters: list[Json]) -> Json:
    found: Json = {
        "summary": f"{method} {_path(shape)}",
        "tags": ["FHIR"],
        "parameters": parameters,
        "responses": {
            "200": {"description": "A resource or a Bundle", "content": _BODY},
            "default": _OUTCOME,
        },
    }
    return found | ({"requestBody": {"content": _BODY}} if method in ("POST", "PUT", "PATCH") else {})

"""/docs: an OpenAPI page of the FHIR API, made of the same table of routes and of the operations."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fhir_server.interactions.about import VERSION
from fhir_server.interactions.context import Service
from fhir_server.interactions.entries import METHODS
from fhir_server.r4.definitions import RESOURCE_TYPES
from fhir_server.rest.request import FORM
from fhir_server.rest.routes import ROUTES, Shape

Json = dict[str, Any]
_PATH = {"T": "{type}", "I": "{id}", "V": "{version}", "C": "{compartmentType}", "$": "{operation}"}
_TEXT: Json = {"type": "string"}
_RESOURCE: Json = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"enum": list(RESOURCE_TYPES)}, "id": _TEXT, "meta": {"type": "object"}},
}
_ENTRY: Json = {
    "type": "object",
    "required": ["request"],
    "properties": {
        "fullUrl": _TEXT,
        "resource": _RESOURCE,
        "request": {
            "type": "object",
            "required": ["method", "url"],
            "properties": {
                "method": {"enum": list(METHODS)},
                **dict.fromkeys(("url", "ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"), _TEXT),
            },
        },
    },
}
_BUNDLE: Json = {
    "type": "object",
    "required": ["resourceType", "type"],
    "properties": {
        "resourceType": {"const": "Bundle"},
        "type": {"enum": ["batch", "transaction"]},
        "entry": {"type": "array", "items": _ENTRY},
    },
}
_PATCH: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string", "pattern": "^(/[A-Za-z0-9-]+)+$"},
            "from": {"type": "string", "pattern": "^(/[A-Za-z0-9-]+)+$"},
            "value": {},
        },
    },
}
_EVERYWHERE = {"_format": {"enum": ["json", "xml", "ndjson"]}, "_pretty": {"type": "boolean"}}
_SHORTER = {"_summary": {"enum": ["true", "false", "text", "data", "count"]}, "_elements": _TEXT}
_LISTED = {"_count": {"type": "integer", "minimum": 0}, "_sort": _TEXT, **_SHORTER}
_HISTORY = {**_LISTED, "_since": _TEXT, "_at": _TEXT, "_list": _TEXT}
_SEARCH = {
    **_LISTED,
    **dict.fromkeys(("_id", "_lastUpdated", "_tag", "_profile", "_security", "_filter", "_list"), _TEXT),
    **dict.fromkeys(("_include", "_revinclude", "_type"), _TEXT),
    "_total": {"enum": ["none", "estimate", "accurate"]},
}
_HEADERS = {
    "GET": ("If-None-Match", "If-Modified-Since", "Prefer"),
    "POST": ("If-None-Exist", "Prefer"),
    "PUT": ("If-Match", "If-None-Match", "Prefer"),
    "PATCH": ("If-Match", "Prefer"),
    "DELETE": ("If-Match",),
}
_OUTCOME: Json = {
    "description": "OperationOutcome",
    "content": {"application/fhir+json": {"schema": {"type": "object"}}},
}


def describe(app: FastAPI, service: Service) -> None:
    """Give the app its OpenAPI document."""

    def document() -> Json:
        if app.openapi_schema is None:
            found = get_openapi(
                title="Chartline", version=VERSION, routes=app.routes, description="FHIR R4 under /fhir."
            )
            schemas = _schemas(service)
            found["paths"] |= {
                _path(shape): _item(shape, list(methods), schemas) for shape, methods in ROUTES.items()
            }
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _schemas(service: Service) -> dict[str, Json]:
    """Of the parts of a path."""
    return {
        "type": {"type": "string", "enum": list(RESOURCE_TYPES)},
        "id": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$", "examples": ["example"]},
        "version": {"type": "string", "pattern": r"^[0-9]{1,9}$", "examples": ["1"]},
        "compartmentType": {"type": "string", "enum": ["*", *RESOURCE_TYPES]},
        "operation": {"type": "string", "enum": sorted({f"${o.code}" for o in service.operations.all})},
    }


def _path(shape: Shape) -> str:
    return "/".join(("/fhir", *(_PATH.get(part, part) for part in shape)))


def _item(shape: Shape, methods: list[str], schemas: dict[str, Json]) -> Json:
    names = [_PATH[part].strip("{}") for part in shape if part in _PATH]
    parameters = [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]
    return {method.lower(): _operation(shape, method, parameters) for method in methods}


def _operation(shape: Shape, method: str, parameters: list[Json]) -> Json:
    asked = [
        {"name": n, "in": "query", "schema": s} for n, s in (_EVERYWHERE | _asked(shape, method)).items()
    ]
    sent = [{"name": n, "in": "header", "schema": _TEXT} for n in _HEADERS[method]]
    found: Json = {
        "summary": f"{method} {_path(shape)}",
        "tags": ["FHIR"],
        "parameters": [*parameters, *asked, *sent],
        "responses": {
            "200": {"description": "A resource or a Bundle", "content": _OUTCOME["content"]},
            "default": _OUTCOME,
        },
    }
    return found | (
        {"requestBody": {"content": _body(shape, method)}} if method not in ("GET", "DELETE") else {}
    )


def _asked(shape: Shape, method: str) -> dict[str, Json]:
    """The parameters of the query that the specification names."""
    last = shape[-1] if shape else ""
    if last == "_history":
        return _HISTORY
    if last in ("I", "V"):
        return _SHORTER if method == "GET" else {}
    is_search = last in ("_search", "C") or (last in ("", "T") and method != "POST")
    return _SEARCH if is_search else {}


def _body(shape: Shape, method: str) -> Json:
    """Content type -> schema."""
    if shape and shape[-1] == "_search":
        return {FORM: {"schema": {"type": "object", "properties": _SEARCH}}}
    if method == "PATCH":
        return {
            "application/json-patch+json": {"schema": _PATCH},
            "application/fhir+json": {"schema": _RESOURCE},
        }
    return {"application/fhir+json": {"schema": _RESOURCE if shape else _BUNDLE}}

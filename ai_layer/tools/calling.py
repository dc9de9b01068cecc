"""A tool's call -> one FHIR operation, as if it had come over HTTP: the same Access, the same checks, the same audit log.

`act` runs anything else (the retriever) in the same way, so that a refusal is told in the log as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.call import call
from fhir_server.operations.registry import EventStream
from fhir_server.r4 import json
from fhir_server.rest.recording import recorded
from fhir_server.rest.request import Incoming
from fhir_server.store.trail import Trail

Json = dict[str, Any]
MANY = ("claim", "evidence", "searched", "notSearched", "check", "citation", "path", "alternative", "draft")
"""Parameters that may come several times: always a list, so that an answer has one shape."""


def perform(context: Context, path: str, parameters: Json) -> Json:
    """The answer of `POST path` with these parameters (names and strings), as plain JSON. Raises FhirError."""
    listed = [{"name": name, "valueString": value} for name, value in parameters.items() if value != ""]
    body = json.encode({"resourceType": "Parameters", "parameter": listed})
    return plain(json.decode_object(_run(context, path, body, call)))


def act(context: Context, path: str, work: Callable[[Context], Json]) -> Json:
    """What the work gives; `path` is the operation that it stands for. Raises FhirError."""
    found = _run(context, path, b"", lambda inside, _: Result(200, json.encode(work(inside))))
    return json.decode_object(found)


def _run(
    context: Context, path: str, body: bytes, handler: Callable[[Context, Incoming], Result | EventStream]
) -> bytes:
    client = context.trail.address if context.trail else ""
    headers = {"content-type": "application/fhir+json"}
    incoming = Incoming("POST", path, "", headers, body, context.base, {}, client, context.request_id)
    own = replace(context, trail=Trail(client))
    found = recorded(own, incoming, handler)
    assert isinstance(found, Result)
    return found.body or b"{}"


def plain(parameters: Json) -> Json:
    """A Parameters resource as an object: values by name, parts as objects, lists where MANY says so."""
    return _object(parameters.get("parameter", []))


def _object(parts: list[Json]) -> Json:
    found: Json = {}
    for part in parts:
        name, value = part["name"], _value(part)
        if name in MANY:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _value(part: Json) -> Any:
    if "part" in part:
        return _object(part["part"])
    value = next((value for key, value in part.items() if key != "name"), None)
    return value["reference"] if isinstance(value, dict) and "reference" in value else value

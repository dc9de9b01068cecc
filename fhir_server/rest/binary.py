"""Binary over HTTP: its content goes in and out as it is, where nobody asks for the FHIR form of it.

https://hl7.org/fhir/R4/binary.html#rest
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fhir_server.interactions.context import Result
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.request import FORM, JSON_TYPES, NDJSON_TYPES, XML_TYPES, Incoming, media_types

FHIR_TYPES = frozenset((*JSON_TYPES, *XML_TYPES, *NDJSON_TYPES))
HARMLESS = {"content-security-policy": "sandbox; default-src 'none'", "x-content-type-options": "nosniff"}
"""A page that somebody stored must not act in the name of whoever looks at it."""


def is_raw_read(incoming: Incoming) -> bool:
    """Whether the content itself is asked for: a read or vread of a Binary or an operation that makes one, and no FHIR format is named."""
    if incoming.method not in ("GET", "HEAD") or "_format" in incoming.query:
        return False
    is_operation = any(each.startswith("$") for each in incoming.segments[-1:])
    is_one = _is_read(incoming.segments) or is_operation
    return is_one and not FHIR_TYPES & set(media_types(incoming))


def _is_read(segments: tuple[str, ...]) -> bool:
    is_read = len(segments) == 2 or (len(segments) == 4 and segments[2] == "_history")
    return segments[:1] == ("Binary",) and is_read and not segments[1].startswith(("_", "$"))


def is_raw_write(incoming: Incoming) -> bool:
    """Whether the body is the content of a Binary, not a resource."""
    is_binary = incoming.segments[:1] == ("Binary",) and incoming.method in ("POST", "PUT")
    return is_binary and incoming.content_type not in (*FHIR_TYPES, FORM, "")


def resource_of(incoming: Incoming) -> dict[str, Any]:
    """The Binary that holds the body; X-Security-Context names what it belongs to."""
    found: dict[str, Any] = {"resourceType": "Binary", "contentType": incoming.headers["content-type"]}
    if len(incoming.segments) == 2:
        found["id"] = incoming.segments[1]
    if context := incoming.headers.get("x-security-context"):
        found["securityContext"] = {"reference": context.removeprefix(f"{incoming.base}/")}
    return found | ({"data": base64.b64encode(incoming.body).decode()} if incoming.body else {})


def content(incoming: Incoming, result: Result) -> tuple[bytes, dict[str, str]]:
    """The bytes and the headers that describe them. Raises NOT_ACCEPTABLE where another media type is asked for."""
    resource = json.decode_object(result.body or b"{}")
    kind = str(resource.get("contentType") or "application/octet-stream")
    accepted, bare = media_types(incoming), kind.partition(";")[0].strip().lower()
    if accepted and not {bare, bare.partition("/")[0] + "/*", "*/*"} & set(accepted):
        raise FhirError(Problem.NOT_ACCEPTABLE, "Accept: the content is of another media type.")
    try:
        data = base64.b64decode(str(resource.get("data", "")))
    except binascii.Error:
        data = b""
    context = resource.get("securityContext")
    named = context.get("reference") if isinstance(context, dict) else None
    more = {"x-security-context": str(named)} if named else {}
    return data, {
        **HARMLESS,
        **more,
        "content-type": kind if kind.isascii() and kind.isprintable() else "application/octet-stream",
    }

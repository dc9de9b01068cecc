"""Outgoing: a Result as status, headers and bytes.

Bodies that are served as they are stored are never parsed: only XML, `_pretty`, `_summary` and `_elements` look inside.
https://hl7.org/fhir/R4/http.html#versioning and #return
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec

from fhir_server.interactions.context import Result
from fhir_server.interactions.shape import SHORTER, shaped
from fhir_server.r4 import json, ndjson, xml
from fhir_server.r4.outcome import FhirError, Problem, information
from fhir_server.rest import binary
from fhir_server.rest.failing import located
from fhir_server.rest.request import Incoming, wanted_format

MEDIA = {
    "json": "application/fhir+json; charset=utf-8",
    "xml": "application/fhir+xml; charset=utf-8",
    "ndjson": "application/fhir+ndjson; charset=utf-8",
}
Headers = dict[str, str]


@dataclass(slots=True)
class Outgoing:
    """What goes over the wire; `stream` instead of `body` for server-sent events."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=dict)
    stream: Iterator[bytes] | None = None


def outgoing(incoming: Incoming, result: Result) -> Outgoing:
    """The answer to an interaction that went well."""
    headers = _version_headers(incoming, result)
    if result.status in (204, 304):
        return Outgoing(result.status, headers=headers)
    body = _body(incoming, result)
    if body is None:
        return Outgoing(result.status, headers=headers)
    if result.type == "Binary" and binary.is_raw_read(incoming):
        data, described = binary.content(incoming, result)
        return Outgoing(result.status, data, {**headers, **described})
    if wanted_format(incoming) == "ndjson":
        return _lines(result.status, _subset(incoming, result, body), headers)
    return _written(incoming, result.status, _subset(incoming, result, body), headers)


def _lines(status: int, body: bytes, headers: Headers) -> Outgoing:
    """One resource a line; what a Bundle says of its pages is said by the header Link."""
    found, links = ndjson.lines(body)
    more = {"link": ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items())} if links else {}
    return Outgoing(status, found, {**headers, **more, "content-type": MEDIA["ndjson"]})


def refused(incoming: Incoming, error: FhirError, headers: Headers | None = None) -> Outgoing:
    """The OperationOutcome of a failure; JSON where the wanted format cannot be made out."""
    try:
        body = json.encode(located(incoming, error).as_outcome())
    except FhirError:
        body = json.encode(error.as_outcome())
    try:
        return _written(incoming, error.problem.status, body, headers or {})
    except FhirError:
        return Outgoing(error.problem.status, body, {**(headers or {}), "content-type": MEDIA["json"]})


def _version_headers(incoming: Incoming, result: Result) -> Headers:
    headers: Headers = {**result.headers}
    if result.etag:
        headers["etag"] = result.etag
    if result.last_updated:
        headers["last-modified"] = http_date(result.last_updated)
    if result.location and (result.is_write or incoming.method not in ("GET", "HEAD")):
        headers["location"] = f"{incoming.base}/{result.location}"
    return headers


def http_date(moment: datetime) -> str:
    """As HTTP writes it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _body(incoming: Incoming, result: Result) -> bytes | None:
    """By `Prefer: return`: the resource (default), nothing, or an outcome that says it went well."""
    preferred = (
        incoming.prefers("return") if incoming.method in ("POST", "PUT", "PATCH") and result.version else ""
    )
    if preferred == "minimal":
        return None
    if preferred == "OperationOutcome":
        return json.encode(result.outcome or information("All went well."))
    if result.body is not None:
        return result.body
    return json.encode(result.outcome) if result.outcome else None


def _subset(incoming: Incoming, result: Result, body: bytes) -> bytes:
    """`_summary` and `_elements` of a read; a Bundle has been dealt with entry by entry."""
    if incoming.method not in ("GET", "HEAD") or not result.version or "_" not in incoming.query:
        return body
    summary, elements = incoming.parameter("_summary"), incoming.parameter("_elements")
    if summary not in SHORTER:
        raise FhirError(Problem.BAD_PARAMETER, "_summary: expected true, false, text or data.")
    return shaped(body, summary, [e for e in elements.split(",") if e])


def _written(incoming: Incoming, status: int, body: bytes, headers: Headers) -> Outgoing:
    kind = wanted_format(incoming)
    pretty = "_pretty" in incoming.query and incoming.parameter("_pretty") == "true"
    if kind == "xml":
        body = xml.to_xml(json.decode_object(body))
        body = xml.indented(body) if pretty else body
    elif pretty:
        body = msgspec.json.format(body, indent=2)
    return Outgoing(status, body, {**headers, "content-type": MEDIA["xml" if kind == "xml" else "json"]})


def json_answer(status: int, value: Any, headers: Headers | None = None) -> Outgoing:
    """Plain JSON, for addresses that are not FHIR's."""
    return Outgoing(status, json.encode(value), {"content-type": "application/json", **(headers or {})})

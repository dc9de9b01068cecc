"""Incoming: an HTTP request as a value: path, pairs, headers, body.

Content types, `_format` and `Prefer` are understood here. https://hl7.org/fhir/R4/http.html#mime-type and #ops
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import parse_qsl

from fhir_server.r4 import json, xml
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.patch import Merge

Pair = tuple[str, str]
JSON_TYPES = ("application/fhir+json", "application/json", "text/json", "application/json+fhir")
XML_TYPES = ("application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir")
NDJSON_TYPES = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")
PATCH_TYPES = ("application/json-patch+json",)
XML_PATCH = "application/xml-patch+xml"
MERGE_TYPES = ("application/merge-patch+json", "application/json")
FORM = "application/x-www-form-urlencoded"


@dataclass
class Incoming:
    """One request; `headers` have lower-case names, `base` is the address of /fhir as the client sees it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str
    cookies: Mapping[str, str]
    client: str = ""
    request_id: str = ""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The path below the base."""
        return tuple(part for part in self.path.split("/") if part)

    @cached_property
    def pairs(self) -> list[Pair]:
        """The query's (name, value) pairs, and those of a form body."""
        found = parse_qsl(self.query, keep_blank_values=True)
        if self.content_type == FORM and self.method == "POST":
            found += parse_qsl(self._text(), keep_blank_values=True)
        return found

    def _text(self) -> str:
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise FhirError(Problem.BAD_REQUEST, "The form is not UTF-8.") from None

    @cached_property
    def content_type(self) -> str:
        """The body's media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def require_readable(self) -> None:
        """Raises UNSUPPORTED_MEDIA where the body is said to be of another version of FHIR, or not UTF-8."""
        rest = self.headers.get("content-type", "").partition(";")[2]
        if not rest:
            return
        if not _is_our_version(rest):
            raise FhirError(Problem.UNSUPPORTED_MEDIA, "Content-Type: this server reads FHIR 4.0.")
        if option(rest, "charset") not in ("", "utf-8", "utf8", "us-ascii"):
            raise FhirError(Problem.UNSUPPORTED_MEDIA, "Content-Type: the charset has to be UTF-8.")

    def parameter(self, name: str) -> str:
        """The last value of a query parameter, or nothing."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    def prefers(self, name: str) -> str:
        """The value of `Prefer: name=value`."""
        for part in self.headers.get("prefer", "").replace(";", ",").split(","):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value.strip('"')
        return ""

    @property
    def is_lenient(self) -> bool:
        """`Prefer: handling=lenient`."""
        return self.prefers("handling") == "lenient"

    def resource(self) -> dict[str, Any]:
        """The body as a resource, from JSON or XML. Raises UNSUPPORTED_MEDIA, NOT_JSON."""
        if self.content_type in XML_TYPES:
            return xml.from_xml(self.body)
        self._require_json(JSON_TYPES)
        return json.decode_object(self.body)

    def bundle(self) -> bytes:
        """The body as the JSON of a resource, parsed no further where it is JSON already."""
        if self.content_type in XML_TYPES:
            return json.encode(xml.from_xml(self.body))
        self._require_json(JSON_TYPES)
        return self.body

    def patch(self) -> Any:
        """The body of a patch: a list (JSON Patch), Parameters (FHIRPath Patch), or members to merge where it is plain JSON."""
        if self.content_type in PATCH_TYPES:
            return json.decode(self.body)
        if self.content_type == XML_PATCH:
            text = "XML Patch (RFC 5261) is not carried out; the header Accept-Patch names what is."
            raise FhirError(Problem.UNSUPPORTED_MEDIA, text)
        if self.content_type in XML_TYPES:
            return xml.from_xml(self.body)
        self._require_json((*JSON_TYPES, *PATCH_TYPES, *MERGE_TYPES))
        found = json.decode(self.body)
        is_plain = self.content_type in MERGE_TYPES and isinstance(found, dict)
        return Merge(found) if is_plain and found.get("resourceType") != "Parameters" else found

    def _require_json(self, accepted: tuple[str, ...]) -> None:
        if self.content_type not in accepted:
            shown = ", ".join((*accepted[:2], *XML_TYPES[:1]))
            raise FhirError(Problem.UNSUPPORTED_MEDIA, f"Content-Type: expected {shown}.")


def accepts(header: str, coding: str) -> bool:
    """Whether Accept-Encoding names it, and not with q=0."""
    return any(
        part.partition(";")[0].strip().lower() == coding and _quality(part) > 0 for part in header.split(",")
    )


_SHORT = {"json": "json", "xml": "xml", "ndjson": "ndjson", "html": "json", "text/html": "json"}
_ANY = ("*/*", "*", "application/*", "text/event-stream")
_FORMATS = {
    **dict.fromkeys((*JSON_TYPES, *_ANY), "json"),
    **dict.fromkeys(XML_TYPES, "xml"),
    **dict.fromkeys(NDJSON_TYPES, "ndjson"),
    **_SHORT,
}
VERSIONS = ("4.0", "4.0.1")
"""What `fhirVersion` may say. https://hl7.org/fhir/R4/http.html#version-parameter"""


def wanted_format(incoming: Incoming) -> str:
    """json, xml or ndjson, by `_format` and else by Accept. Raises NOT_ACCEPTABLE."""
    asked = incoming.parameter("_format") if "_format" in incoming.query else ""
    return _wanted(asked, incoming.headers.get("accept", ""))


@lru_cache(maxsize=256)
def _wanted(asked: str, accepted: str) -> str:
    if asked:
        return _named(asked.replace(" ", "+"))
    for part in sorted(accepted.split(","), key=_quality, reverse=True) if accepted.strip() else ["*"]:
        found = _format_of(part)
        if found and _quality(part) > 0:
            return found
    raise FhirError(
        Problem.NOT_ACCEPTABLE,
        "Accept: this server writes application/fhir+json, application/fhir+xml and application/fhir+ndjson, of FHIR 4.0.",
    )


def media_types(incoming: Incoming) -> list[str]:
    """What Accept names, without parameters and without what it refuses."""
    parts = incoming.headers.get("accept", "").split(",")
    return [part.partition(";")[0].strip().lower() for part in parts if part.strip() and _quality(part) > 0]


def _named(asked: str) -> str:
    found = _format_of(asked)
    if not found:
        raise FhirError(Problem.NOT_ACCEPTABLE, "_format: expected json, xml or ndjson, of FHIR 4.0.")
    return found


def _format_of(text: str) -> str:
    """The format of a media type, or nothing where it is not one of ours or of another version of FHIR."""
    media_type, _, rest = text.partition(";")
    return _FORMATS.get(media_type.strip().lower(), "") if _is_our_version(rest) else ""


def _is_our_version(parameters: str) -> bool:
    return option(parameters, "fhirversion") in ("", *VERSIONS)


def option(parameters: str, name: str) -> str:
    """The value of a media type's parameter, such as `charset`, in lower case."""
    for part in parameters.lower().split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('" ')
    return ""


def _quality(part: str) -> float:
    text = option(part, "q")
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0

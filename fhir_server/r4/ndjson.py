"""ndjson: resources one a line, out of a Bundle and in.

https://hl7.org/fhir/R4/nd-json.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError

LISTING = ("searchset", "history", "collection", "document")
"""Types of Bundles whose entries are resources, not answers."""


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Bundle(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    type: Any = ""
    link: list[_Link] = []
    entry: list[_Entry] = []


class _Kind(msgspec.Struct, rename="camel"):
    resource_type: str = ""


_KIND = msgspec.json.Decoder(_Kind)
_BUNDLE = msgspec.json.Decoder(_Bundle)


def lines(body: bytes) -> tuple[bytes, dict[str, str]]:
    """The resources of a listing Bundle, and its links by relation; any other resource is one line."""
    found = _BUNDLE.decode(body) if _KIND.decode(body).resource_type == "Bundle" else _Bundle()
    if found.type not in LISTING:
        return body + b"\n", {}
    resources = [bytes(entry.resource) for entry in found.entry]
    return b"".join(r + b"\n" for r in resources if r), {link.relation: link.url for link in found.link}


def resources(body: bytes) -> list[dict[str, Any]]:
    """The resource of each line that is not empty. Raises NOT_JSON that names the line."""
    found = []
    for number, line in enumerate(body.splitlines(), 1):
        if line.strip():
            try:
                found.append(json.decode_object(line))
            except FhirError as error:
                raise FhirError(error.problem, f"Line {number}: {error}") from None
    return found

"""The logical id that a resource from outside gets here: the same source gives the same id, every time.

A `urn:uuid:` is unique in the world and is kept. A URL is unique too, but its last step is not: two servers both have a
`Patient/1`, so the id is a name-based UUID of the whole URL (RFC 4122, version 5). What has no name in the world is named
by its content. https://hl7.org/fhir/R4/bundle.html#bundle-unique
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

_URN_UUID = re.compile(r"urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
_RESTFUL = re.compile(
    r"(https?://.+/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


def id_of_url(url: str) -> str:
    """The id for a URL or URN that names a resource elsewhere."""
    return str(uuid5(NAMESPACE_URL, url))


def id_of_urn_uuid(full_url: str) -> str | None:
    """The UUID of `urn:uuid:...`, or None where it is no real UUID (`urn:uuid:1` is not unique in the world)."""
    found = _URN_UUID.fullmatch(full_url)
    return found[1].lower() if found else None


def id_of_content(resource: dict[str, Any], occurrence: int = 0) -> str:
    """The id for a resource without any name; `occurrence` tells apart equal ones of the same Bundle."""
    text = json.dumps(resource, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return id_of_url(f"{text}#{occurrence}" if occurrence else text)


class Restful(NamedTuple):
    """The parts of `https://host/fhir/Patient/1`: base `https://host/fhir/`, type and id."""

    base: str
    type: str
    id: str

    @property
    def url(self) -> str:
        """The URL without a version."""
        return f"{self.base}{self.type}/{self.id}"


def split_restful(url: str) -> Restful | None:
    """The parts of a RESTful URL, or None; a version behind it is left out.

    https://hl7.org/fhir/R4/references.html#literal
    """
    found = _RESTFUL.fullmatch(url)
    return Restful(found[1], found[2], found[3]) if found else None


def versionless(url: str) -> str:
    """The URL or relative reference without `/_history/...`."""
    return url.partition("/_history/")[0]

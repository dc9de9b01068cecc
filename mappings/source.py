"""Source: one thing that came in from outside, as bytes, with what it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the bytes are. UNKNOWN could not be read or understood, SKIPPED is no data (each with its reason)."""

    JSON = "json"
    NDJSON = "ndjson"
    XML = "xml"
    CCDA = "ccda"
    HL7V2 = "hl7v2"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is the path, in an archive the path of the archive and of the member, with the lines of a part behind `#`.

    `body` holds the unpacked bytes without a byte order mark (empty for UNKNOWN and SKIPPED). A source of a `wave` refers by identifier to
    resources of lower waves only: load each wave to its end before the next (mappings.order).
    """

    name: str
    kind: Kind
    body: bytes = b""
    reason: str = ""
    wave: int = 0

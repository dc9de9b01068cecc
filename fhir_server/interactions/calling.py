"""An entry of a Bundle that calls an operation, as operations.call wants a request.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.entries import Entry
from fhir_server.r4.outcome import FhirError, Problem

METHODS = ("GET", "HEAD", "POST")


@dataclass(frozen=True, slots=True)
class EntryCall:
    """The entry's address, query and resource; it asks for JSON, and for all at once."""

    entry: Entry
    content_type: str = "application/fhir+json"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """request.method"""
        return self.entry.method

    @property
    def body(self) -> bytes:
        """The resource's JSON, or nothing."""
        return bytes(self.entry.raw) if self.entry.raw is not None else b""

    @property
    def segments(self) -> tuple[str, ...]:
        """The path below the base."""
        parts = (self.entry.type, self.entry.id, *self.entry.tail.split("/"))
        return tuple(part for part in parts if part)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Those of the query."""
        return parse_qsl(self.entry.query, keep_blank_values=True)

    def resource(self) -> dict[str, Any]:
        """The entry's resource."""
        return self.entry.resource()


def call_entry(context: Context, entry: Entry) -> Result:
    """Carry out the operation. Raises what it raises."""
    if entry.method not in METHODS:
        raise FhirError(
            Problem.METHOD_NOT_ALLOWED, "Operations go with GET or POST.", f"{entry.place}.request.method"
        )
    found = context.service.call(context, EntryCall(entry))
    if not isinstance(found, Result):
        raise FhirError(Problem.NOT_SUPPORTED, "This operation answers piece by piece: call it by itself.")
    return found

"""Bundle.entry as a value: what an entry of a batch or transaction asks for.

Resources stay raw bytes until their turn comes, so a Bundle of 60 MB never stands in memory as a tree.
https://hl7.org/fhir/R4/bundle.html#Bundle.entry.request
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.interactions.headers import expected
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem

CHANGING = ("PUT", "PATCH", "DELETE")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")


class _Request(msgspec.Struct, rename="camel"):
    method: str = ""
    url: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    if_match: str = ""
    if_none_exist: str = ""


class _Entry(msgspec.Struct, rename="camel"):
    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")
    request: _Request | None = None


class _Bundle(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    type: str = ""
    entry: list[_Entry] = []


_DECODER = msgspec.json.Decoder(_Bundle)


@dataclass(slots=True)
class Entry:
    """One entry: `type`, `id`, `query` are the parts of request.url; `raw` its resource, still to be parsed.

    `refusal`: why it asks for nothing that can be done; in a batch the others are carried out all the same."""

    number: int
    method: str
    type: str
    id: str
    query: str
    full_url: str
    raw: msgspec.Raw | None
    tail: str = ""
    if_none_exist: str = ""
    if_match: int | None = None
    if_none_match: str = ""
    if_modified_since: str = ""
    refusal: FhirError | None = None

    @property
    def place(self) -> str:
        """FHIRPath of the entry."""
        return f"Bundle.entry[{self.number}]"

    @property
    def is_operation(self) -> bool:
        """Whether its address is that of an operation."""
        last = (self.tail or self.id or self.type).rpartition("/")[2]
        return last.startswith("$")

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        if self.is_operation:
            return False
        return self.method in ("DELETE", "PUT", "PATCH") or (self.method == "POST" and not self.id)

    @property
    def criteria(self) -> str:
        """The condition of a conditional write, or nothing."""
        return (
            self.if_none_exist
            if self.method == "POST"
            else ""
            if self.id or not self.is_write
            else self.query
        )

    def resource(self) -> dict[str, Any]:
        """A fresh copy of the resource. Raises NOT_JSON or BAD_REQUEST."""
        if self.raw is None:
            raise FhirError(Problem.BAD_REQUEST, f"{self.method} needs a resource.", f"{self.place}.resource")
        try:
            return json.decode_object(self.raw)
        except FhirError as error:
            raise error.within(f"{self.place}.resource") from None


def bundle_entries(body: bytes, base: str = "") -> tuple[str, list[Entry]]:
    """The Bundle's type and its entries; addresses may start with our own `base`. Raises NOT_JSON or BAD_REQUEST."""
    try:
        found = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise FhirError(
            Problem.BAD_REQUEST, f"The Bundle has not the form that R4 gives it: {error}", "Bundle"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FhirError(Problem.NOT_JSON, f"The body is not JSON: {error}") from None
    if found.resource_type != "Bundle":
        raise FhirError(Problem.BAD_REQUEST, "Expected a Bundle.", "resourceType")
    return found.type, [_read(number, entry, base) for number, entry in enumerate(found.entry)]


def entries_of(bundle: Mapping[str, Any]) -> list[Entry]:
    """The entries of a Bundle that was put together here (by a mapping, or a draft)."""
    return bundle_entries(json.encode(bundle))[1]


def _read(number: int, entry: _Entry, base: str) -> Entry:
    try:
        found = _entry(number, entry, base)
        found.refusal = _refusal(found)
    except FhirError as error:
        found = Entry(number, "", "", "", "", "", None, refusal=error)
    return found


def _entry(number: int, entry: _Entry, base: str) -> Entry:
    place, request = f"Bundle.entry[{number}]", entry.request
    if request is None:
        raise FhirError(
            Problem.BAD_REQUEST, "Each entry of a batch or transaction has a request.", f"{place}.request"
        )
    if request.method not in METHODS:
        raise FhirError(
            Problem.BAD_REQUEST, f"Expected one of {', '.join(METHODS)}.", f"{place}.request.method"
        )
    path, _, query = request.url.removeprefix(f"{base}/" if base else "").partition("?")
    kind, logical_id, tail = _path(path, place)
    raw = entry.resource if memoryview(entry.resource).nbytes else None
    return Entry(
        *(number, request.method, kind, logical_id, query, entry.full_url, raw, tail),
        if_none_exist=request.if_none_exist,
        if_match=expected(
            request.if_match,
            request.if_none_match if request.method in CHANGING else "",
            f"{place}.request.ifMatch",
        ),
        if_none_match=request.if_none_match,
        if_modified_since=request.if_modified_since,
    )


def _path(path: str, place: str) -> tuple[str, str, str]:
    """`Patient/1/_history/2` -> type, id, and what follows."""
    kind, _, rest = path.strip("/").partition("/")
    logical_id, _, tail = rest.partition("/")
    if kind not in TYPE_CODE and not kind.startswith("$") and kind not in ("", "_history", "metadata"):
        raise FhirError(
            Problem.UNKNOWN_TYPE, "The url does not start with a resource type of R4.", f"{place}.request.url"
        )
    return kind, logical_id, tail


def _refusal(entry: Entry) -> FhirError | None:
    """Nothing, where the method and the address fit together."""
    if entry.is_operation or entry.method in ("GET", "HEAD"):
        return None
    fits = entry.type in TYPE_CODE and not entry.tail
    if entry.method == "POST":
        fits = fits and entry.id in ("", "_search")
    text = f"{entry.method} goes to a type, or to a resource of a type."
    return None if fits else FhirError(Problem.BAD_REQUEST, text, f"{entry.place}.request.url")

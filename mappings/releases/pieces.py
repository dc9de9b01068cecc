"""What a code system is made of, as it comes out of the files of a release, one small piece at a time.

https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

SHOWN = {"code": "valueCode", "string": "valueString", "boolean": "valueBoolean"}
"""Kinds of facts that are properties of a concept; any other kind is there for filters alone."""
HIDDEN = ""
DEFINITION = "definition"
"""A kind: the value is the concept's definition."""
LOWEST = 9
"""The rank of names that never are the display."""


@dataclass(frozen=True, slots=True)
class Head:
    """Which version of which code system; `order` sorts its versions, `edition` is what its versions have in common.

    `is_case_sensitive`: of codes and of the values of filters; where it is not, both are kept in upper case.
    """

    url: str
    version: str
    name: str
    order: str
    edition: str = ""
    is_case_sensitive: bool = True


class Code(NamedTuple):
    """A concept; one that comes twice counts once. `is_inactive` None: this file does not say."""

    code: str
    is_inactive: bool | None = None


class Name(NamedTuple):
    """Words for a concept. The name of the lowest rank is its display; `designation` is JSON, or empty for words that are only searched."""

    code: str
    rank: int
    value: str
    designation: str = ""


class Edge(NamedTuple):
    """A concept and the one right above it."""

    child: str
    parent: str


class Fact(NamedTuple):
    """A property of a concept, of a kind of SHOWN, HIDDEN or DEFINITION."""

    code: str
    property: str
    value: str
    kind: str = HIDDEN


Piece = Code | Name | Edge | Fact


def designation(value: str, *, language: str = "", use: dict[str, Any] | None = None) -> str:
    """The JSON of a CodeSystem.concept.designation."""
    row: dict[str, Any] = {"language": language} if language else {}
    if use:
        row["use"] = use
    return msgspec.json.encode({**row, "value": value}).decode()


def as_property(fact: Fact) -> str:
    """The JSON of a CodeSystem.concept.property; empty for one that is not shown."""
    if fact.kind not in SHOWN:
        return ""
    value = fact.value == "true" if fact.kind == "boolean" else fact.value
    return msgspec.json.encode({"code": fact.property, SHOWN[fact.kind]: value}).decode()


def version_order(version: str) -> str:
    """Sorts 2.9 before 2.10."""
    return re.sub(r"\d+", lambda found: found[0].zfill(8), version)

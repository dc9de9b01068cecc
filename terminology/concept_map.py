"""ConceptMap: which concept of one code system stands for which of another, and how closely.

Parsed once from its FHIR JSON, then asked forwards and backwards. https://hl7.org/fhir/R4/conceptmap.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terminology.coding import Coding, coding_of

Json = Mapping[str, Any]

NO_MATCH = frozenset({"unmatched", "disjoint"})
"""Equivalences that say there is no translation. https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html"""
SAME = frozenset({"equal", "equivalent"})
"""Equivalences under which one concept may stand for the other."""
BACKWARDS = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
"""What an equivalence becomes when it is read from the target to the source; the others stay."""


@dataclass(frozen=True, slots=True)
class Other:
    """A dependsOn or product: a property (a uri) and its value in a system."""

    property: str
    value: Coding


@dataclass(frozen=True, slots=True)
class Row:
    """One source concept and one target; `target.code` is empty where the map says that there is none."""

    source: Coding
    target: Coding
    equivalence: str
    depends_on: tuple[Other, ...] = ()
    products: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What stands for a code that the group does not list: `mode` provided, fixed or other-map; empty: nothing."""

    mode: str = ""
    coding: Coding = field(default_factory=lambda: Coding("", ""))
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The rows from one code system into another."""

    source: str
    target: str
    source_version: str = ""
    target_version: str = ""
    unmapped: Unmapped = field(default_factory=Unmapped)
    forwards: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    backwards: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ConceptMap:
    """`source` and `target`: canonicals of the value sets that it maps between; empty where it names none.

    `is_general`: it may be used without being asked for by name, being neither retired nor experimental.
    """

    url: str
    version: str
    source: str
    target: str
    groups: tuple[Group, ...]
    is_general: bool = True


def parse(resource: Json) -> ConceptMap:
    """The map of a ConceptMap resource that is valid R4."""
    return ConceptMap(
        url=str(resource.get("url", "")),
        version=str(resource.get("version", "")),
        source=str(resource.get("sourceUri") or resource.get("sourceCanonical") or ""),
        target=str(resource.get("targetUri") or resource.get("targetCanonical") or ""),
        groups=tuple(_group(found) for found in resource.get("group", ())),
        is_general=resource.get("status") != "retired" and resource.get("experimental") is not True,
    )


def _group(found: Json) -> Group:
    source, target = str(found.get("source", "")), str(found.get("target", ""))
    rows = list(_rows(found, source, target))
    listed: dict[str, list[Row]] = {str(e.get("code", "")): [] for e in found.get("element", ())}
    back: dict[str, list[Row]] = {}
    for row in rows:
        listed[row.source.code].append(row)
        if row.target.code:
            back.setdefault(row.target.code, []).append(row)
    return Group(
        source,
        target,
        str(found.get("sourceVersion", "")),
        str(found.get("targetVersion", "")),
        _unmapped(found.get("unmapped") or {}, target),
        {code: tuple(own) for code, own in listed.items() if code},
        {code: tuple(own) for code, own in back.items()},
    )


def _rows(group: Json, source: str, target: str) -> Iterator[Row]:
    for element in group.get("element", ()):
        of = coding_of({**element, "system": source})
        for found in element.get("target", ()):
            yield Row(
                of,
                coding_of({**found, "system": target}),
                str(found.get("equivalence", "")),
                _others(found.get("dependsOn", ())),
                _others(found.get("product", ())),
            )


def _others(found: Sequence[Json]) -> tuple[Other, ...]:
    return tuple(
        Other(str(one.get("property", "")), coding_of({**one, "code": one.get("value")})) for one in found
    )


def _unmapped(found: Json, target: str) -> Unmapped:
    return Unmapped(
        str(found.get("mode", "")), coding_of({**found, "system": target}), str(found.get("url", ""))
    )

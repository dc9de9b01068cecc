"""What R4 defines, out of the compiled tables: resource types, elements, search parameters, compartments, value sets.

The tables are HL7's package hl7.fhir.r4.core 4.0.1, boiled down by tools/compile_definitions.py. https://hl7.org/fhir/R4/
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

Binding = tuple[str, str]
"""Strength and value set."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of an element: key, severity (error or warning) and FHIRPath expression."""

    key: str
    severity: str
    expression: str


@dataclass(frozen=True, slots=True)
class Element:
    """An element as its JSON member: a choice `value[x]` stands once for each of its types (`choice` is then `value`).

    `path` is where its own members are listed: a type's name, or a backbone element such as `Patient.contact`. `max` is 0 for `*`.
    """

    name: str
    type: str
    min: int
    max: int
    path: str
    choice: str = ""
    targets: tuple[str, ...] = ()
    binding: Binding | None = None
    is_summary: bool = False
    invariants: tuple[Invariant, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether its JSON is an array."""
        return self.max != 1


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter of one resource type; `components` are (definition, expression) pairs; `id` never changes.

    `config`: what an extension says of it, as names and texts.
    """

    id: int
    base: str
    code: str
    type: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[tuple[str, str], ...]
    url: str
    config: tuple[tuple[str, str], ...] = ()


def _table(name: str) -> Any:
    data = resources.files("fhir_server.r4").joinpath(f"data/{name}.json.gz").read_bytes()
    return json.loads(gzip.decompress(data))


TYPE_CODE: Mapping[str, int] = MappingProxyType(_table("types"))
TYPE_NAME: Mapping[int, str] = MappingProxyType({number: name for name, number in TYPE_CODE.items()})
RESOURCE_TYPES: tuple[str, ...] = tuple(sorted(TYPE_CODE))
COMPARTMENTS: Mapping[str, Mapping[str, list[str]]] = MappingProxyType(_table("compartments"))


@cache
def search_parameters() -> tuple[SearchParameter, ...]:
    """R4's search parameters, a row for each resource type."""
    return tuple(_search_parameter(*row) for row in _table("search"))


def _search_parameter(
    number: int,
    base: str,
    code: str,
    kind: str,
    expression: str,
    targets: list[str],
    components: list[list[str]],
    url: str,
) -> SearchParameter:
    pairs = tuple((definition, part) for definition, part in components)
    return SearchParameter(number, base, code, kind, expression, tuple(targets), pairs, url)


@cache
def _rows() -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = _table("elements")
    return found


@cache
def elements(path: str) -> Mapping[str, Element]:
    """The members of a resource, backbone element or datatype, in R4's order. Raises KeyError for an unknown path."""
    root = path.partition(".")[0]
    rows = _rows()[root]
    depth = path.count(".") + 1
    found: dict[str, Element] = {}
    for row in rows:
        if row[0].startswith(path + ".") and row[0].count(".") == depth:
            for element in _elements(row):
                found[element.name] = element
    return MappingProxyType(found)


@cache
def invariants(path: str) -> tuple[Invariant, ...]:
    """The rules of the element itself (a resource, a datatype, a backbone element)."""
    for row in _rows().get(path.partition(".")[0], ()):
        if row[0] == path:
            return _invariants(row)
    return ()


def is_choice(name: str, stem: str) -> bool:
    """Whether the name is a spelling of the stem: `valueQuantity` of `value`."""
    return name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper()


@cache
def choice_stems() -> frozenset[str]:
    """Names of elements that stand under several names in JSON: `value`, `effective`, `onset` ..."""
    every = (row[0].rpartition(".")[2] for rows in _rows().values() for row in rows)
    return frozenset(name.removesuffix("[x]") for name in every if name.endswith("[x]"))


def structure_paths() -> list[str]:
    """Every path that has members: resource types, datatypes, backbone elements."""
    return [
        row[0]
        for kind, rows in _rows().items()
        if is_complex(kind)
        for row in rows
        if row[0] == kind or (not row[5] and not row[0].endswith("[x]") and _is_backbone(row))
    ]


def _is_backbone(row: list[Any]) -> bool:
    return bool(row[3]) and row[3][0][0] in ("BackboneElement", "Element")


def is_complex(path: str) -> bool:
    """Whether the path has members (is no primitive)."""
    return (path in _rows() and not path[:1].islower()) or "." in path


def _invariants(row: list[Any]) -> tuple[Invariant, ...]:
    return tuple(Invariant(*found) for found in row[7])


def _elements(row: list[Any]) -> list[Element]:
    name = row[0].rpartition(".")[2]
    if row[5]:
        return [_element(row, name, "BackboneElement", row[5], (), "")]
    stem = name.removesuffix("[x]")
    if stem == name:
        kind, targets = row[3][0] if row[3] else ("Element", [])
        return [_element(row, name, kind, _members(row[0], kind), tuple(targets), "")]
    return [
        _element(row, stem + kind[0].upper() + kind[1:], kind, kind, tuple(targets), stem)
        for kind, targets in row[3]
    ]


def _members(path: str, kind: str) -> str:
    return path if kind in ("BackboneElement", "Element") else kind


def _element(
    row: list[Any], name: str, kind: str, path: str, targets: tuple[str, ...], choice: str
) -> Element:
    most = 0 if row[2] == "*" else int(row[2])
    binding = (row[4][0], row[4][1]) if row[4] else None
    return Element(name, kind, row[1], most, path, choice, targets, binding, row[6], _invariants(row))


@cache
def _sets() -> dict[str, dict[str, list[str]] | None]:
    found: dict[str, dict[str, list[str]] | None] = _table("valuesets")
    return found


def concept_maps() -> list[dict[str, Any]]:
    """R4's own ConceptMaps, without their words."""
    found: list[dict[str, Any]] = _table("conceptmaps")
    return found


@cache
def value_set(url: str) -> Mapping[str, frozenset[str]] | None:
    """System -> codes of a value set that a binding of R4 names; None where it cannot be listed (mime types, languages, filters)."""
    found = _sets().get(url)
    return None if found is None else MappingProxyType({s: frozenset(c) for s, c in found.items()})


@cache
def codes(url: str) -> frozenset[str] | None:
    """All codes of such a value set, whatever their system."""
    found = value_set(url)
    return None if found is None else frozenset(code for values in found.values() for code in values)

"""The minimum necessary: which elements the assistant may use for which purpose, out of minimum.json. Pure.

https://www.ecfr.gov/current/title-45/section-164.514 (d); docs/adr/0013-minimum-necessary.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fhir_server.access.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Minimum:
    """`sets`: by purpose, the elements of each resource type; `inside`: members of elements that may go out to a model."""

    sets: Mapping[Purpose, Mapping[str, tuple[str, ...]]]
    inside: frozenset[str]


@cache
def minimum() -> Minimum:
    """The table."""
    found = json.loads(resources.files("ai_layer").joinpath("minimum.json").read_text())
    named = {
        name: {kind: tuple(elements) for kind, elements in types.items()}
        for name, types in found["sets"].items()
    }
    sets = {Purpose(code): named[name] for code, name in found["purposes"].items()}
    return Minimum(sets, frozenset(found["inside"]))


def elements_for(purpose: Purpose, resource_type: str) -> tuple[str, ...]:
    """The elements of a type; none where the purpose needs none."""
    return minimum().sets[purpose].get(resource_type, ())


def needs_nothing(purpose: Purpose) -> bool:
    """Whether the assistant has nothing to use for this purpose."""
    return not minimum().sets[purpose]

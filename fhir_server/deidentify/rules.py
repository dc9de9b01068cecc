"""The table of what a de-identified export keeps, out of rules.json; all else is taken out. https://www.ecfr.gov/current/title-45/section-164.514"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Rules:
    """As rules.json says; `remove`: path of an element -> what it is counted as."""

    types: frozenset[str]
    systems: tuple[str, ...]
    extensions: frozenset[str]
    remove: Mapping[str, str]
    mask: frozenset[str]
    strings: frozenset[str]
    age_codes: frozenset[str]
    states: frozenset[str]
    restricted_zip3: frozenset[str]
    source: str

    def is_public(self, system: object) -> bool:
        """Whether a code system is one that everybody has; codes of a house's own may be anything."""
        return isinstance(system, str) and system.startswith(self.systems)


@cache
def rules() -> Rules:
    """The table."""
    found = json.loads(resources.files("fhir_server.deidentify").joinpath("rules.json").read_text())
    named = {
        name: frozenset(found[name])
        for name in ("types", "extensions", "mask", "strings", "age_codes", "restricted_zip3")
    }
    states = frozenset(name.lower() for row in found["states"].items() for name in row)
    return Rules(
        systems=tuple(found["systems"]),
        remove=found["remove"],
        states=states,
        source=found["source"],
        **named,
    )

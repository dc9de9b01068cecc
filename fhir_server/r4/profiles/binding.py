"""Bindings of a profile: whether a coded value is in its value set.

What the server knows of value sets comes through CodesOfSets, so that R4's compiled tables and a terminology service can both stand
behind it. https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from fhir_server.r4.definitions import value_set
from fhir_server.r4.profiles.item import Item


class CodesOfSets(Protocol):
    """What profiles ask of terminology."""

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the value set (a canonical) has the code; `system` is None where the element names none. None: it cannot be told."""


class CompiledSets:
    """The value sets that R4 binds to, as far as their codes can be listed."""

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        """See CodesOfSets."""
        return _holds(value_set.partition("|")[0], system, code)


def _holds(url: str, system: str | None, code: str) -> bool | None:
    found = value_set(url)
    if found is None:
        return None
    if system is None:
        return any(code in codes for codes in found.values())
    return code in found.get(system, ())


def is_member(item: Item, url: str, sets: CodesOfSets) -> bool | None:
    """Whether one of the item's codes is in the set; None where it has no code, or where it cannot be told."""
    answers = [sets.holds(url, system, code) for system, code in codes_of(item.value)]
    if True in answers:
        return True
    return None if None in answers or not answers else False


def codes_of(value: Any) -> Iterator[tuple[str | None, str]]:
    """(system, code) of a code, uri, Coding, Quantity or CodeableConcept."""
    if isinstance(value, str):
        yield None, value
    elif isinstance(value, dict):
        concept = value.get("coding")
        for coding in concept if isinstance(concept, list) else [value]:
            if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                system = coding.get("system")
                yield (system if isinstance(system, str) else ""), coding["code"]

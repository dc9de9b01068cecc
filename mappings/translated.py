"""Codes that a site has of its own, or that are out of use: their translation is added beside them, never in their place.

Only what surely holds is added: a target that is equal, equivalent or wider. Each added Coding says by an extension which ConceptMap
it comes from, and `userSelected` false that nobody chose it. Where a concept has a coding of the target system, that one stands.
https://hl7.org/fhir/R4/datatypes.html#CodeableConcept and https://hl7.org/fhir/R4/conceptmap.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from terminology.coding import Coding
from terminology.concept_map import SAME, ConceptMap
from terminology.translate import Asked, Match, translate

Json = dict[str, Any]

TRANSLATED_BY = "https://chartline.example/fhir/StructureDefinition/translated-by"
"""Extension of an added Coding: the canonical of the ConceptMap."""
HOLDS = SAME | {"wider", "subsumes"}
"""Equivalences under which what has the source has the target too."""
CODED = ("Condition", "DiagnosticReport", "Observation", "ServiceRequest")
"""Types whose `code` is translated, and that of an Observation's components."""
_FORWARDS = Asked()


class Translations:
    """The maps whose translations are added, by the systems that they translate from."""

    def __init__(self, maps: Sequence[ConceptMap]) -> None:
        self._by_system: dict[str, list[ConceptMap]] = {}
        for one in maps:
            for system in {group.source for group in one.groups}:
                self._by_system.setdefault(system, []).append(one)

    def added_to(self, bundle: Json) -> tuple[Json, frozenset[str]]:
        """The transaction Bundle with them, and the canonicals of the maps that had one. The input is not changed."""
        used: set[str] = set()
        if not self._by_system:
            return bundle, frozenset()
        return {**bundle, "entry": [self._entry(entry, used) for entry in bundle["entry"]]}, frozenset(used)

    def _entry(self, entry: Json, used: set[str]) -> Json:
        resource = entry.get("resource")
        if not resource or resource["resourceType"] not in CODED:
            return entry
        found = self._translated(resource, used)
        return entry if found is resource else {**entry, "resource": found}

    def _translated(self, resource: Json, used: set[str]) -> Json:
        """The resource itself where there is nothing to add; the one that came is not changed."""
        found = self._with_code(resource, used)
        components = resource.get("component")
        if isinstance(components, list):
            parts = [self._with_code(one, used) if isinstance(one, dict) else one for one in components]
            if any(part is not one for part, one in zip(parts, components, strict=True)):
                found = {**found, "component": parts}
        return found

    def _with_code(self, holder: Json, used: set[str]) -> Json:
        concept = holder.get("code")
        codings = concept.get("coding") if isinstance(concept, dict) else None
        if not isinstance(codings, list):
            return holder
        added = list(self._added(codings))
        if not added:
            return holder
        used.update(canonical(match.map) for match in added)
        more = [_coding(match) for match in added]
        return {**holder, "code": {**holder["code"], "coding": [*codings, *more]}}

    def _added(self, codings: Sequence[Any]) -> Iterator[Match]:
        named = [one for one in codings if isinstance(one, dict) and isinstance(one.get("system"), str)]
        there = {coding["system"] for coding in named}
        for coding in named:
            if maps := self._by_system.get(coding["system"]):
                for match in _matches(maps, coding):
                    if match.coding.system not in there:
                        there.add(match.coding.system)
                        yield match


def _matches(maps: Sequence[ConceptMap], coding: Mapping[str, Any]) -> Iterator[Match]:
    """What holds, where it is one concept of its system."""
    asked = Coding(coding["system"], str(coding.get("code", "")))
    for one in maps:
        found = list(translate(one, asked, _FORWARDS, _no_other, str(coding.get("version", ""))))
        sure = {m.coding.key: m for m in found if m.is_translation and m.equivalence in HOLDS}
        systems = [system for system, _ in sure]
        yield from (match for match in sure.values() if systems.count(match.coding.system) == 1)


def _no_other(canonical: str) -> None:
    """What a map leaves to another one is added only where that one is named too."""


def canonical(map: ConceptMap) -> str:
    """`url|version`."""
    return f"{map.url}|{map.version}" if map.version else map.url


def _coding(match: Match) -> Json:
    own = match.coding
    found = {"system": own.system, "version": match.version, "code": own.code, "display": own.display}
    return {
        "extension": [{"url": TRANSLATED_BY, "valueCanonical": canonical(match.map)}],
        **{name: value for name, value in found.items() if value},
        "userSelected": False,
    }

"""translate: a code through one ConceptMap, forwards or backwards.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from terminology.coding import Coding
from terminology.concept_map import BACKWARDS, NO_MATCH, ConceptMap, Group, Other, Row

Find = Callable[[str], ConceptMap | None]
"""The map of a canonical, for `unmapped.mode = other-map`."""
MOST_MAPS = 20
"""Maps that leave a code to each other, one after the other."""
UNLISTED = "relatedto"
"""The equivalence of what `unmapped` gives: R4 gives it none, and nobody has compared the two concepts."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An element and what it holds, for rows that depend on it: its codings, and its text."""

    element: str
    codings: tuple[Coding, ...]
    text: str = ""

    def meets(self, other: Other) -> bool:
        """Whether it is what a row depends on."""
        if self.element != other.property:
            return False
        wanted = other.value
        same = any(c.code == wanted.code and wanted.system in ("", c.system) for c in self.codings)
        return same or (not wanted.system and self.text == wanted.code != "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a map: into which system, under which circumstances, and in which direction."""

    target_system: str = ""
    dependencies: tuple[Dependency, ...] = ()
    is_reverse: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A translation; `coding.code` is empty where the map says that there is none. `needs`: elements that would decide for it."""

    coding: Coding
    equivalence: str
    map: ConceptMap
    version: str = ""
    products: tuple[Other, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def is_translation(self) -> bool:
        """Whether it gives a concept that stands for the one that was asked for."""
        return bool(self.coding.code) and self.equivalence not in NO_MATCH and not self.needs


def translate(
    map: ConceptMap, coding: Coding, asked: Asked, find: Find, version: str = "", around: Sequence[str] = ()
) -> Iterator[Match]:
    """What the map says of a code; a row whose dependencies are not met comes with `needs`, and is no translation."""
    for group in map.groups:
        if _reaches(group, coding, asked, version):
            rows = (group.backwards if asked.is_reverse else group.forwards).get(coding.code)
            if rows is not None:
                yield from (_match(map, group, row, asked) for row in rows)
            elif not asked.is_reverse:
                yield from _of_unlisted(map, group, coding, asked, find, version, around)


def _reaches(group: Group, coding: Coding, asked: Asked, version: str) -> bool:
    start, end, own = group.source, group.target, group.source_version
    if asked.is_reverse:
        start, end, own = group.target, group.source, group.target_version
    same_version = not version or not own or version == own
    return start == coding.system and same_version and asked.target_system in ("", end)


def _match(map: ConceptMap, group: Group, row: Row, asked: Asked) -> Match:
    if asked.is_reverse:
        back = BACKWARDS.get(row.equivalence, row.equivalence)
        return Match(row.source, back, map, group.source_version)
    needs = tuple(
        other.property
        for other in row.depends_on
        if not any(dependency.meets(other) for dependency in asked.dependencies)
    )
    return Match(row.target, row.equivalence, map, group.target_version, row.products, needs)


def _of_unlisted(
    map: ConceptMap,
    group: Group,
    coding: Coding,
    asked: Asked,
    find: Find,
    version: str,
    around: Sequence[str],
) -> Iterator[Match]:
    """https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.unmapped"""
    unmapped = group.unmapped
    if unmapped.mode == "provided":
        same = Coding(group.target, coding.code, coding.display)
        yield Match(same, UNLISTED, map, group.target_version)
    elif unmapped.mode == "fixed":
        yield Match(unmapped.coding, UNLISTED, map, group.target_version)
    elif unmapped.mode == "other-map" and unmapped.url not in around and len(around) < MOST_MAPS:
        other = find(unmapped.url)
        if other is not None:
            yield from translate(other, coding, asked, find, version, (*around, unmapped.url))

"""Every ConceptMap that the server knows: those of users and packages, Chartline's own tables, and R4's own.

A stored map goes before one of ours with the same canonical. https://hl7.org/fhir/R4/conceptmap.html
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from fhir_server.r4.definitions import concept_maps
from fhir_server.r4.profiles.library import Shelf
from mappings.tables import tables
from mappings.translated import Translations
from terminology.concept_map import ConceptMap, parse

Json = dict[str, Any]
CHECKED_EVERY = 2.0
"""Seconds for which loading goes on with the maps that it knows."""
MOST_KEPT = 200
"""Stored maps that stay in memory."""


class MapShelf(Shelf, Protocol):
    """Stored ConceptMaps, found by canonical and by the code systems that they map between."""

    def between(self, system: str, *, is_target: bool) -> list[Json]:
        """Those with a group out of (or into) the code system; of several versions the highest."""


@cache
def shipped() -> Mapping[str, ConceptMap]:
    """Canonical -> map, of R4 and of mappings/tables."""
    return {found["url"]: parse(found) for found in (*concept_maps(), *tables())}


@cache
def _by_system(is_target: bool) -> Mapping[str, tuple[ConceptMap, ...]]:
    found: dict[str, list[ConceptMap]] = {}
    for one in shipped().values():
        for system in {group.target if is_target else group.source for group in one.groups}:
            found.setdefault(system, []).append(one)
    return {system: tuple(own) for system, own in found.items()}


class ConceptMaps:
    """Maps by canonical and by code system; safe to share between threads."""

    def __init__(self, shelf: MapShelf | None = None) -> None:
        self._shelf = shelf
        self._kept: dict[tuple[str, ...], Any] = {}
        self._edition = 0
        self._translations: tuple[str, float, Translations] = ("", 0.0, Translations(()))

    def named(self, canonical: str) -> ConceptMap | None:
        """The map of `url|version`; without a version, the one that there is."""
        kept = self._current()
        if (key := ("named", canonical)) not in kept:
            kept[key] = self._named(*canonical.partition("|")[::2])
        found: ConceptMap | None = kept[key]
        return found

    def between(self, system: str, *, is_target: bool = False) -> tuple[ConceptMap, ...]:
        """The maps out of the code system (or into it) that may be used without being named."""
        kept = self._current()
        if (key := ("between", system, str(is_target))) not in kept:
            stored = self._shelf.between(system, is_target=is_target) if self._shelf else []
            kept[key] = tuple(_general([*map(parse, stored), *_by_system(is_target).get(system, ())]))
        found: tuple[ConceptMap, ...] = kept[key]
        return found

    def translations(self, canonicals: str) -> Translations:
        """Those of the maps that are named, with commas between them, for what is loaded; at most CHECKED_EVERY seconds old."""
        made, at, found = self._translations
        if made != canonicals or time.monotonic() - at > CHECKED_EVERY:
            names = [name.strip() for name in canonicals.split(",") if name.strip()]
            found = Translations([one for one in map(self.named, names) if one])
            self._translations = (canonicals, time.monotonic(), found)
        return found

    def _named(self, url: str, version: str) -> ConceptMap | None:
        stored = self._shelf.definition(url, version) if self._shelf else None
        if stored is not None:
            return parse(stored)
        own = shipped().get(url)
        return own if own and version in ("", own.version) else None

    def _current(self) -> dict[tuple[str, ...], Any]:
        edition = self._shelf.edition if self._shelf else 0
        if edition != self._edition or len(self._kept) > MOST_KEPT:
            self._kept, self._edition = {}, edition
        return self._kept


def _general(maps: Iterable[ConceptMap]) -> Iterable[ConceptMap]:
    """The first of each canonical, where it may be used unnamed."""
    seen: set[str] = set()
    for one in maps:
        if one.url and one.url in seen:
            continue
        seen.add(one.url)
        if one.is_general:
            yield one

"""Value sets that users and packages have stored, and R4's compiled ones: whether a code is in one.

A compose is asked as it stands, code by code, nothing is expanded. What it rests on and is not known here (a filter over a code system that
is not stored, a value set of elsewhere, a circle) gives None: it cannot be told. https://hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.r4.profiles.binding import CompiledSets
from fhir_server.r4.profiles.library import Shelf

Json = dict[str, Any]
Answer = bool | None
_COMPILED = CompiledSets()
MOST_KEPT = 2_000
"""Definitions that stay in memory."""


class KnownSets:
    """CodesOfSets over two shelves; safe to share between threads."""

    def __init__(self, value_sets: Shelf, code_systems: Shelf) -> None:
        self._value_sets, self._code_systems = value_sets, code_systems
        self._kept: dict[tuple[Shelf, str], Any] = {}
        self._editions: tuple[int, int] = (0, 0)

    def holds(self, value_set: str, system: str | None, code: str) -> Answer:
        """See CodesOfSets."""
        editions = (self._value_sets.edition, self._code_systems.edition)
        if editions != self._editions or len(self._kept) > MOST_KEPT:
            self._kept, self._editions = {}, editions
        return self._in_set(value_set, system, code, ())

    def _in_set(self, canonical: str, system: str | None, code: str, around: tuple[str, ...]) -> Answer:
        found = self._definition(self._value_sets, canonical)
        if found is None:
            return _COMPILED.holds(canonical, system, code)
        if canonical in around:
            return None
        compose = found.get("compose")
        if not isinstance(compose, dict):
            return _in_expansion(found, system, code)
        path = (*around, canonical)
        included = _any(self._in_part(part, system, code, path) for part in _objects(compose.get("include")))
        excluded = _any(self._in_part(part, system, code, path) for part in _objects(compose.get("exclude")))
        if included is False or excluded is True:
            return False
        return True if included and excluded is False else None

    def _in_part(self, part: Json, system: str | None, code: str, around: tuple[str, ...]) -> Answer:
        answers: list[Answer] = []
        if "system" in part:
            if system not in (None, part["system"]):
                return False
            answers.append(self._in_system(part, code))
        sets = part.get("valueSet")
        inner = sets if isinstance(sets, list) else []
        return _all(answers + [self._in_set(str(found), system, code, around) for found in inner])

    def _in_system(self, part: Json, code: str) -> Answer:
        if "concept" in part:
            return any(concept.get("code") == code for concept in _objects(part["concept"]))
        parents = self._parents(str(part["system"]))
        if parents is None:
            return None if "filter" in part else True  # all codes of a system that nobody has stored
        return _all([code in parents, *(_passes(one, code, parents) for one in _objects(part.get("filter")))])

    def _parents(self, system: str) -> dict[str, tuple[str, ...]] | None:
        """Code -> the codes above it, of a stored code system that is complete."""
        kept, key = self._kept, (self._code_systems, f"parents {system}")
        if key not in kept:
            found = self._definition(self._code_systems, system)
            is_whole = found is not None and found.get("content") == "complete"
            kept[key] = dict(_above(found.get("concept"), ())) if found and is_whole else None
        known: dict[str, tuple[str, ...]] | None = kept[key]
        return known

    def _definition(self, shelf: Shelf, canonical: str) -> Json | None:
        kept, key = self._kept, (shelf, canonical)
        if key not in kept:
            url, _, version = canonical.partition("|")
            kept[key] = shelf.definition(url, version)
        found: Json | None = kept[key]
        return found


def _passes(found: Json, code: str, parents: dict[str, tuple[str, ...]]) -> Answer:
    """https://hl7.org/fhir/R4/valueset-filter-operator.html: those that the hierarchy and the code itself answer."""
    operator, value, above = found.get("op"), found.get("value"), parents.get(code, ())
    if found.get("property") not in ("concept", "code"):
        return None
    answers: dict[Any, Answer] = {
        "=": code == value,
        "is-a": code == value or value in above,
        "descendent-of": value in above,
        "is-not-a": not (code == value or value in above),
        "in": isinstance(value, str) and code in value.split(","),
        "not-in": isinstance(value, str) and code not in value.split(","),
    }
    return answers.get(operator)


def _above(concepts: Any, above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for concept in _objects(concepts):
        code = str(concept.get("code"))
        yield code, above
        yield from _above(concept.get("concept"), (*above, code))


def _in_expansion(found: Json, system: str | None, code: str) -> Answer:
    expansion = found.get("expansion")
    if not isinstance(expansion, dict):
        return None
    return any(
        (row.get("code"), system or row.get("system")) == (code, row.get("system"))
        for row in _contains(expansion)
    )


def _contains(holder: Json) -> Iterator[Json]:
    for row in _objects(holder.get("contains")):
        yield row
        yield from _contains(row)


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _any(answers: Iterable[Answer]) -> Answer:
    found = list(answers)
    return True if True in found else None if None in found else False


def _all(answers: Iterable[Answer]) -> Answer:
    found = list(answers)
    return False if False in found or not found else None if None in found else True

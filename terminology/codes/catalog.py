"""Catalog: canonical URL and version -> System or ValueSet. What users have stored goes first, then what they loaded, then what is shipped.

https://hl7.org/fhir/R4/terminology-service.html#4.6
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from terminology.codes import forms, implicit, shipped
from terminology.codes.concept import CannotTell, Json, System
from terminology.codes.lay_codes import NAMES, fragment
from terminology.codes.memory import of_resource

MOST_KEPT = 2_000
"""Definitions that stay in memory."""


class Shelf(Protocol):
    """Where definitions of users stand; `edition` changes whenever one of them does."""

    @property
    def edition(self) -> int: ...
    def definition(self, url: str, version: str) -> Json | None: ...
    def urls(self) -> list[str]: ...


class Loaded(Protocol):
    """Code systems that were loaded into tables."""

    @property
    def edition(self) -> int: ...
    def system(self, url: str, version: str) -> System | None: ...
    def versions(self) -> dict[str, list[str]]:
        """URL -> its versions, the latest first."""
        ...


class NothingLoaded:
    """Where there are no tables."""

    edition = 0

    def system(self, url: str, version: str) -> System | None:
        """Nothing."""
        return None

    def versions(self) -> dict[str, list[str]]:
        """None."""
        return {}


class Catalog:
    """All that this server knows of code systems and value sets; safe to share between threads."""

    def __init__(self, value_sets: Shelf, code_systems: Shelf, loaded: Loaded | None = None) -> None:
        self._value_sets, self._code_systems = value_sets, code_systems
        self._loaded: Loaded = loaded or NothingLoaded()
        self._kept: dict[tuple[str, str, str], Any] = {}
        self._editions: tuple[int, ...] = ()

    @property
    def edition(self) -> tuple[int, ...]:
        """Changes whenever an answer of this catalog could."""
        return (self._value_sets.edition, self._code_systems.edition, self._loaded.edition)

    def system(self, url: str, version: str = "") -> System | None:
        """The code system; None where it is not known, or not of this version."""
        found: System | None = self._once(("system", url, version), self._system)
        return found

    def systems(self) -> dict[str, list[str]]:
        """URL -> versions of every code system that is known, the one that counts first; none where it is not told without reading it."""
        shipped_ones = {url: [version] if version else [] for url, version in shipped.systems().items()}
        named: dict[str, list[str]] = {url: [] for url in (*forms.SYSTEMS, *NAMES)}
        stored: dict[str, list[str]] = {url: [] for url in self._code_systems.urls()}
        return named | shipped_ones | self._loaded.versions() | stored

    def value_set(self, canonical: str) -> Json | None:
        """The value set, of the version that the canonical may name."""
        url, _, version = canonical.partition("|")
        found: Json | None = self._once(("set", url, version), self._value_set)
        return found

    def require_system(self, url: str, version: str = "") -> System:
        """The code system. Raises CannotTell."""
        found = self.system(url, version)
        if found is None:
            raise _absent("code system", url, version, self.system(url) if version else None)
        return found

    def require_value_set(self, canonical: str) -> Json:
        """The value set. Raises CannotTell."""
        found = self.value_set(canonical)
        if found is None:
            url, _, version = canonical.partition("|")
            raise _absent("value set", url, version, self.value_set(url) if version else None)
        return found

    def _once(self, key: tuple[str, str, str], make: Any) -> Any:
        edition = self.edition
        if edition != self._editions or len(self._kept) > MOST_KEPT:
            self._kept, self._editions = {}, edition
        kept = self._kept
        if key not in kept:
            kept[key] = make(*key[1:])
        return kept[key]

    def _system(self, url: str, version: str) -> System | None:
        stored = self._code_systems.definition(url, version)
        if stored is not None and stored.get("content") not in ("supplement", "not-present"):
            return of_resource(stored)
        loaded = self._loaded.system(url, version)
        if loaded is not None:
            return loaded
        own: System | None = forms.SYSTEMS.get(url) or shipped.code_system(url) or fragment(url)
        return own if own is not None and version in ("", own.version) else None

    def _value_set(self, url: str, version: str) -> Json | None:
        found = self._value_sets.definition(url, version) or shipped.value_set(url, version)
        found = found or implicit.value_set(url, version)
        if found is not None:
            return found
        whole = shipped.whole_sets().get(url)
        return {"url": url, "compose": {"include": [{"system": whole}]}} if whole and not version else None


def _absent(what: str, url: str, version: str, other: Any) -> CannotTell:
    if other is None:
        return CannotTell(
            "not-found", f"The {what} {url[:300]} is not known here.", is_open=what == "code system"
        )
    there = other.get("version", "") if isinstance(other, dict) else other.version
    which = f"version {there}" if there else "one without a version"
    return CannotTell("not-found", f"Version {version[:100]} of {url[:300]} is not here; there is {which}.")


class Shelves:
    """Definitions of one kind in memory, as a Shelf."""

    def __init__(self, definitions: Sequence[Json] = ()) -> None:
        self._definitions, self.edition = definitions, 1

    def definition(self, url: str, version: str) -> Json | None:
        """The first that fits."""
        fitting = (d for d in self._definitions if d.get("url") == url)
        return next((d for d in fitting if version in ("", d.get("version"))), None)

    def urls(self) -> list[str]:
        """Of all of them."""
        return [str(d.get("url")) for d in self._definitions]

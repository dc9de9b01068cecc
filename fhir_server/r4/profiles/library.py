"""Library: canonical URL -> the tree of a profile. R4's own profiles and extensions, and those of a shelf that users fill.

https://hl7.org/fhir/R4/references.html#canonical: `url|version`; without a version, the one that there is.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from threading import RLock
from typing import Any, Protocol

from fhir_server.r4.definitions import RESOURCE_TYPES, is_complex
from fhir_server.r4.profiles.build import TYPES, BadDefinition, build
from fhir_server.r4.profiles.node import Node

Json = dict[str, Any]
MOST_BASES = 20
"""Profiles that constrain one another, from one to R4."""


MOST_KEPT = 5_000
"""Canonicals that stay known in memory, or known to be nothing: clients name them."""


class Shelf(Protocol):
    """Where StructureDefinitions of users stand; `edition` changes whenever one of them does."""

    @property
    def edition(self) -> int: ...
    def definition(self, url: str, version: str) -> Json | None: ...


class NoShelf:
    """A server without profiles of its users."""

    edition = 0

    def definition(self, url: str, version: str) -> Json | None:
        """Nothing."""
        return None


@cache
def own() -> Mapping[str, Json]:
    """R4's profiles and extensions by URL: facts of their differentials, as tools/compile_definitions.py wrote them."""
    data = resources.files("fhir_server.r4").joinpath("data/profiles.json.gz").read_bytes()
    return {found["url"]: found for found in json.loads(gzip.decompress(data))}


class Library:
    """Trees by canonical, built when they are first asked for; safe to share between threads."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._shelf: Shelf = shelf or NoShelf()
        self._trees: dict[str, Node | None] = {}
        self._edition = 0
        self._lock = RLock()

    def tree(self, canonical: str) -> Node | None:
        """The tree; None where the profile is not known, or nothing can be made of it."""
        if self._edition != self._shelf.edition or len(self._trees) > MOST_KEPT:
            with self._lock:
                self._trees, self._edition = {}, self._shelf.edition
        trees = self._trees
        try:
            return trees[canonical]
        except KeyError:
            with self._lock:
                found = trees[canonical] = self._made(canonical, ())
            return found

    def definition(self, canonical: str) -> Json | None:
        """The StructureDefinition, R4's own or a user's."""
        url, _, version = canonical.partition("|")
        found = self._shelf.definition(url, version)
        return found if found is not None else own().get(url) if version in ("", "4.0.1") else None

    def type_of(self, canonical: str) -> str:
        """The type that a profile constrains; nothing where it is not known."""
        plain = base_type(canonical)
        tree = None if plain else self.tree(canonical)
        return plain or (tree.name if tree else "")

    def _made(self, canonical: str, path: tuple[str, ...]) -> Node | None:
        plain = base_type(canonical)
        if plain:
            return Node(plain, plain, path=plain)
        definition = self.definition(canonical)
        if definition is None or canonical in path or len(path) > MOST_BASES:
            return None
        base = None
        if "snapshot" not in definition:
            base = self._made(str(definition.get("baseDefinition", "")), (*path, canonical))
            if base is None:
                return None
        try:
            return build(definition, base)
        except (BadDefinition, KeyError, TypeError, ValueError, AttributeError):
            return None


def base_type(canonical: str) -> str:
    """`Patient` of `http://hl7.org/fhir/StructureDefinition/Patient`; nothing where it is no type of R4."""
    name = canonical.partition("|")[0].removeprefix(TYPES)
    is_type = name in RESOURCE_TYPES or name in ("Resource", "DomainResource")
    return name if is_type or (name.isalnum() and is_complex(name)) else ""

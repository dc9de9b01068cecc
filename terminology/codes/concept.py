"""Concept, Filter and CannotTell; System: what is asked of a code system, wherever its codes stand.

https://hl7.org/fhir/R4/codesystem.html and https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

Json = dict[str, Any]


class CannotTell(Exception):
    """A question of terminology that has no answer here; `code` is an issue code of R4, `text` says what is missing.

    `is_open`: what is missing is a whole code system, of which any code could be.
    """

    def __init__(self, code: str, text: str, *, is_open: bool = False) -> None:
        super().__init__(text)
        self.code, self.text, self.is_open = code, text, is_open


@dataclass(frozen=True, slots=True)
class Concept:
    """A code and what its system says of it; designations and properties have the shape of CodeSystem.concept."""

    code: str
    display: str = ""
    definition: str = ""
    parents: tuple[str, ...] = ()
    is_abstract: bool = False
    is_inactive: bool = False
    designations: tuple[Json, ...] = ()
    properties: tuple[Json, ...] = ()

    def in_language(self, language: str) -> str:
        """The display in this language where a designation has one; else the display."""
        if not language:
            return self.display
        wanted = language.lower()
        spoken = {str(d.get("language", "")).lower(): str(d["value"]) for d in reversed(self.designations)}
        short = wanted.partition("-")[0]
        of_kind = next((v for tag, v in spoken.items() if tag.partition("-")[0] == short), self.display)
        return spoken.get(wanted, spoken.get(short, of_kind))

    def names(self) -> list[str]:
        """Every text that stands for it."""
        return [self.display, *(str(d.get("value", "")) for d in self.designations)]

    def overlaid(self, display: str, designations: Sequence[Json]) -> Concept:
        """With the words that a value set has for it."""
        if not display and not designations:
            return self
        return replace(
            self, display=display or self.display, designations=(*self.designations, *designations)
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of ValueSet.compose.include."""

    property: str
    op: str
    value: str

    @classmethod
    def parse(cls, row: Json) -> Filter:
        """Of its JSON."""
        return cls(str(row.get("property", "")), str(row.get("op", "")), str(row.get("value", "")))


class System(Protocol):
    """One version of a code system."""

    @property
    def url(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def content(self) -> str:
        """complete, fragment or example: https://hl7.org/fhir/R4/valueset-codesystem-content-mode.html"""
        ...

    @property
    def note(self) -> str:
        """What a reader should know about the content; empty where it is whole."""
        ...

    @property
    def date(self) -> str: ...
    @property
    def is_listable(self) -> bool:
        """Whether its codes can be listed at all."""
        ...

    def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        """Those of the codes that it has, by the code as it was asked for."""
        ...

    def select(self, filters: Sequence[Filter], only: str | None, at_most: int) -> list[Concept]:
        """Concepts that pass all filters, in the system's order; with `only`, that one if it passes. Raises CannotTell."""
        ...

    def above(self, code: str) -> list[str]:
        """Every code that subsumes this one, without itself."""
        ...

    def children(self, code: str) -> list[str]:
        """The codes right below."""
        ...

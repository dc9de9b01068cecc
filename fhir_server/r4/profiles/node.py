"""Node: what a profile says of one element, and of the elements and slices below it.

Only what the profile adds to R4 is kept: a facet that is None says nothing. https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fhir_server.r4.definitions import Invariant

UNBOUNDED = -1
KEPT = 10_000
"""Answers about names in definitions that stay in memory."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A permitted type: its code, the profiles that its value keeps, and those of what it refers to."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """Strength, value set, and the set that codes never leave (`maxValueSet`)."""

    strength: str
    value_set: str
    widest: str = ""


@dataclass(frozen=True, slots=True)
class Slicing:
    """How items part into slices: (type, path) pairs, `open`, `closed` or `openAtEnd`, and whether their order counts."""

    discriminators: tuple[tuple[str, str], ...]
    rules: str = "open"
    is_ordered: bool = False


@dataclass(slots=True)
class Node:
    """`name` as in the definition (`value[x]`), `slice` where it is one; `path`: where R4 lists its members, if that is known."""

    id: str
    name: str
    slice: str = ""
    path: str = ""
    min: int | None = None
    max: int | None = None
    kinds: tuple[Kind, ...] | None = None
    fixed: Any = None
    pattern: Any = None
    binding: Binding | None = None
    max_length: int | None = None
    least: Any = None
    most: Any = None
    invariants: tuple[Invariant, ...] = ()
    is_modifier: bool | None = None
    slicing: Slicing | None = None
    slices: list[Node] = field(default_factory=list)
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def member(self) -> str:
        """Its name in a FHIRPath: a choice without `[x]`."""
        return self.name.removesuffix("[x]")

    def is_silent(self) -> bool:
        """Whether it says nothing at all."""
        return (
            not self.children
            and not self.slices
            and all(getattr(self, name) in (None, ()) for name in FACETS)
        )

    def has_own_rules(self) -> bool:
        """Whether it says something of the value itself, not only of how many there are and what is below."""
        return any(getattr(self, name) not in (None, ()) for name in FACETS if name not in ("min", "max"))

    def copied(self) -> Node:
        """The same, to be changed apart."""
        return replace(
            self,
            slices=[found.copied() for found in self.slices],
            children={name: found.copied() for name, found in self.children.items()},
        )

    def below(self) -> Iterator[Node]:
        """Every node under it."""
        for found in (*self.children.values(), *self.slices):
            yield found
            yield from found.below()


_PLACE = ("id", "name", "slice", "path", "slicing", "slices", "children", "is_modifier")
FACETS = tuple(found.name for found in fields(Node) if found.name not in _PLACE)
"""The fields that a value or a count is judged by."""

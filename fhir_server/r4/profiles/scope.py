"""Scope: what a walk along a profile has at hand: the resource, what its references point to, other profiles, value sets.

https://hl7.org/fhir/R4/bundle.html#references for references inside a Bundle
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_server.r4.faults import Fault
from fhir_server.r4.profiles.binding import CodesOfSets
from fhir_server.r4.profiles.item import Item, root
from fhir_server.r4.profiles.library import Library
from fhir_server.r4.profiles.node import Node
from fhir_server.r4.reference import RELATIVE

Json = dict[str, Any]
MOST_DEEP = 12
"""Profiles that one walk follows into each other."""


class Whole:
    """What a walk began at: a resource, or a Bundle whose entries references find by fullUrl, or by `Type/id` at its end."""

    def __init__(self, resource: Json) -> None:
        self.resource = resource
        self._known: dict[str, Json] | None = None

    def find(self, reference: str) -> Json | None:
        """The entry's resource."""
        if self._known is None:
            self._known = dict(_entries(self.resource))
        return self._known.get(reference)


def _entries(bundle: Json) -> Iterator[tuple[str, Json]]:
    """Backwards, so that the first of several counts; a full URL counts before the end of another one."""
    entries = bundle.get("entry")
    named = [
        (entry["fullUrl"], entry["resource"])
        for entry in reversed(entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("fullUrl"), str)
        and isinstance(entry.get("resource"), dict)
    ]
    yield from (("/".join(url.split("/")[-2:]), resource) for url, resource in named)
    yield from named


@dataclass(frozen=True, slots=True)
class Scope:
    """`resource` holds `contained`; `whole` is what it stands in, or the resource itself; faults go to `faults`.

    `is_thorough`: what could not be asked is told too."""

    library: Library
    sets: CodesOfSets
    resource: Json
    whole: Whole
    profile: str = ""
    faults: list[Fault] = field(default_factory=list)
    around: frozenset[tuple[int, str]] = frozenset()
    is_thorough: bool = False

    def say(self, place: str, code: str, text: str, key: str, severity: str = "error") -> None:
        """Keep a fault, with the profile's name behind its text."""
        behind = f" ({self.profile})" if self.profile else ""
        self.faults.append(Fault(place, code, text + behind, key, severity))

    def regret(self, place: str, text: str, key: str) -> None:
        """Tell what could not be asked, where somebody wants to know."""
        if self.is_thorough:
            self.say(place, "incomplete", text, key, "information")

    def of(self, resource: Json) -> Scope:
        """The same around another resource."""
        return replace(self, resource=resource)

    def target(self, reference: Any) -> Item | None:
        """What a Reference points to: the resource where it is contained or in the Bundle, else one with a type and nothing more."""
        text = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(text, str):
            kind = reference.get("type") if isinstance(reference, dict) else None
            return root({"resourceType": kind}) if isinstance(kind, str) else None
        found = _contained(self.resource, text) if text.startswith("#") else self.whole.find(text)
        if found is not None:
            return root(found)
        match = RELATIVE(text)
        kind = match["type"] if match else _type_in(text)
        return root({"resourceType": kind}) if kind else None

    def conforms(self, item: Item, url: str, walk: Callable[[Node, Item, Scope], None]) -> bool | None:
        """Whether the item keeps the profile, without a word about it; None where the profile is not known."""
        if (mark := (id(item.value), url)) in self.around or len(self.around) >= MOST_DEEP:
            return True
        tree = self.library.tree(url)
        if tree is None:
            return None
        if tree.name != item.type and tree.name not in _ABOVE.get(
            item.type, ("Resource", "DomainResource", "Element")
        ):
            return False
        inner = replace(self, faults=[], around=self.around | {mark}, is_thorough=False)
        if "resourceType" in item.value if isinstance(item.value, dict) else False:
            inner = inner.of(item.value)
        walk(tree, item, inner)
        return not any(fault.severity == "error" for fault in inner.faults)


_ABOVE: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("Age", "Count", "Distance", "Duration", "MoneyQuantity"), ("Quantity", "Element")
)


def is_stub(item: Item) -> bool:
    """Whether nothing is known of the resource but its type."""
    return isinstance(item.value, dict) and item.value.keys() == {"resourceType"}


def _contained(resource: Json, text: str) -> Json | None:
    if text == "#":
        return resource
    items = resource.get("contained")
    every = items if isinstance(items, list) else []
    return next((found for found in every if isinstance(found, dict) and f"#{found.get('id')}" == text), None)


def _type_in(text: str) -> str:
    parts = text.partition("?")[0].partition("/_history")[0].split("/")
    return parts[-2] if len(parts) > 1 and parts[-2][:1].isupper() else ""

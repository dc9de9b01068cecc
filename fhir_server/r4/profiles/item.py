"""Item: an element of a resource with its place, its type, and where R4 lists its members.

https://hl7.org/fhir/R4/json.html#primitive: a primitive's id and extensions stand in a twin, `_birthDate` beside `birthDate`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from fhir_server.r4.definitions import TYPE_CODE, Element, elements, is_complex
from fhir_server.r4.profiles.node import KEPT


class Item(NamedTuple):
    """`place` begins at the resource checked; `path` is R4's list of its members; `value` is None where only the twin speaks."""

    place: str
    value: Any
    path: str
    type: str
    twin: dict[str, Any] | None = None


def root(resource: dict[str, Any], place: str = "") -> Item:
    """A resource as an item."""
    kind = resource.get("resourceType")
    known = kind if isinstance(kind, str) and kind in TYPE_CODE else "Resource"
    return Item(place, resource, known, known)


def members(item: Item, name: str) -> list[Item]:
    """The items of an element; `value[x]` or `value` finds each type of the choice."""
    holder = item.value if isinstance(item.value, dict) else item.twin
    if not isinstance(holder, dict):
        return []
    found: list[Item] = []
    for element in _named(item.path, name):
        value, twin = holder.get(element.name), holder.get(f"_{element.name}")
        if value is not None or twin is not None:
            found += _items(f"{item.place}.{element.choice or element.name}", value, twin, element)
    return found


def every_member(item: Item) -> list[tuple[Element, Item]]:
    """All items below, each with its element."""
    holder = item.value if isinstance(item.value, dict) else item.twin
    if not isinstance(holder, dict):
        return []
    known = _known(item.path)
    found: list[tuple[Element, Item]] = []
    for name in dict.fromkeys(key.removeprefix("_") for key in holder):
        if (element := known.get(name)) is not None:
            place = f"{item.place}.{element.choice or element.name}"
            value, twin = holder.get(name), holder.get(f"_{name}")
            found += [(element, one) for one in _items(place, value, twin, element)]
    return found


def _items(place: str, value: Any, twin: Any, element: Element) -> list[Item]:
    if not element.is_list:
        return [_item(place, value, twin, element)]
    values = value if isinstance(value, list) else []
    twins = twin if isinstance(twin, list) else []
    size = max(len(values), len(twins))
    return [
        _item(
            f"{place}[{at}]",
            values[at] if at < len(values) else None,
            twins[at] if at < len(twins) else None,
            element,
        )
        for at in range(size)
    ]


def _item(place: str, value: Any, twin: Any, element: Element) -> Item:
    if element.type == "Resource":
        return root(value if isinstance(value, dict) else {}, place)
    return Item(place, value, element.path, element.type, twin if isinstance(twin, dict) else None)


@lru_cache(maxsize=KEPT)
def _known(path: str) -> dict[str, Element]:
    return dict(elements(path if is_complex(path) else "Element"))


@lru_cache(maxsize=KEPT)
def _named(path: str, name: str) -> tuple[Element, ...]:
    known = _known(path)
    if name in known:
        return (known[name],)
    stem = name.removesuffix("[x]")
    return tuple(element for element in known.values() if element.choice == stem)

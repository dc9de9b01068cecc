"""Which slice an item belongs to: discriminators as pairs of a path into the item and what the slice says there.

Paths are FHIRPath's names, `$this`, `extension(url)`, `ofType(type)` and `resolve()`.
https://hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fhir_server.r4.profiles.binding import codes_of, is_member
from fhir_server.r4.profiles.item import Item, members
from fhir_server.r4.profiles.node import KEPT, Node
from fhir_server.r4.profiles.scope import Scope, is_stub
from fhir_server.r4.profiles.values import contains, equals

Walk = Callable[[Node, Item, Scope], None]
Step = tuple[str, str]
"""What to do, and its argument: (`member`, name), (`extension`, url), (`type`, code), (`resolve`, nothing)."""

_STEP = re.compile(r"(?P<function>\w+)\((?P<argument>[^)]*)\)|(?P<name>\$?\w+(?:\[x\])?)")


@dataclass(slots=True)
class Spot:
    """What a slice says at a path: nodes, and values that fixed or pattern of an outer element have there."""

    nodes: list[Node] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


def belongs(
    item: Item, part: Node, discriminators: Sequence[tuple[str, str]], scope: Scope, walk: Walk
) -> bool | None:
    """Whether all discriminators put the item into the slice; None where a value set that would tell is not known."""
    if not discriminators:
        return _keeps(item, part, scope, walk)
    answers = [_fits(item, part, kind, steps_of(path), scope, walk) for kind, path in discriminators]
    return False if False in answers else None if None in answers else True


@lru_cache(maxsize=KEPT)
def steps_of(path: str) -> tuple[Step, ...]:
    """The steps of a discriminator's path."""
    steps: list[Step] = []
    for match in _STEP.finditer(path):
        name, argument = match["function"] or match["name"], (match["argument"] or "").strip("'\" ")
        if match["function"] in ("ofType", "as"):
            steps.append(("type", argument))
        elif match["function"] in ("resolve", "extension"):
            steps.append((name, argument))
        elif name != "$this":
            steps.append(("member", name))
    return tuple(steps)


def _fits(
    item: Item, part: Node, kind: str, steps: tuple[Step, ...], scope: Scope, walk: Walk
) -> bool | None:
    items = [item]
    for step in steps:
        items = [found for one in items for found in _into(one, step, scope)]
    spot = Spot([part])
    for step in steps:
        spot = _below(spot, step, scope)
    return _JUDGES.get(kind, _by_value)(items, spot, scope, walk)


def _into(item: Item, step: Step, scope: Scope) -> list[Item]:
    kind, argument = step
    if kind == "member":
        return members(item, argument)
    if kind == "extension":
        return [
            e
            for e in members(item, "extension")
            if isinstance(e.value, dict) and e.value.get("url") == argument
        ]
    if kind == "type":
        return [item] if item.type == argument else []
    target = scope.target(item.value)
    return [target] if target else []


def _below(spot: Spot, step: Step, scope: Scope) -> Spot:
    kind, argument = step
    if kind == "member":
        return _members_below(spot, argument, scope)
    if kind == "extension":
        return Spot([tree for node in spot.nodes for tree in _extensions(node, argument, scope)])
    if kind == "resolve":
        urls = [url for node in spot.nodes for found in node.kinds or () for url in found.targets]
        return Spot([tree for url in urls if (tree := scope.library.tree(url)) is not None])
    typed = [
        part
        for node in spot.nodes
        for part in node.slices
        if any(k.code == argument for k in part.kinds or ())
    ]
    return Spot(typed or spot.nodes, spot.values)


def _members_below(spot: Spot, name: str, scope: Scope) -> Spot:
    found = Spot()
    for node in spot.nodes:
        below = _children(node, name) or [
            child for tree in _profiles(node, scope) for child in _children(tree, name)
        ]
        found.nodes += below + [part for child in below for part in child.slices if part.min]
        found.values += [v for fixed in (node.fixed, node.pattern) for v in _inside(fixed, name)]
        if name == "url" and not below:
            found.values += _extension_urls(node)
    found.values += [inner for value in spot.values for inner in _inside(value, name)]
    return found


def _extension_urls(node: Node) -> list[str]:
    """An extension's url is its definition's, which need not be known here."""
    kinds = [kind for kind in node.kinds or () if kind.code == "Extension"]
    return [url.partition("|")[0] for kind in kinds for url in kind.profiles]


def _children(node: Node, name: str) -> list[Node]:
    """The child, or the choice of that name, or the choice's slice of the type that the name tells."""
    child = node.children.get(name) or node.children.get(f"{name}[x]")
    return [child] if child is not None else []


def _profiles(node: Node, scope: Scope) -> list[Node]:
    urls = [url for kind in node.kinds or () for url in kind.profiles]
    return [tree for url in urls if (tree := scope.library.tree(url)) is not None]


def _extensions(node: Node, url: str, scope: Scope) -> list[Node]:
    holder = node.children.get("extension")
    named = [p for p in holder.slices if url in _extension_urls(p)] if holder else []
    tree = scope.library.tree(url)
    return named or ([tree] if tree is not None else [])


def _inside(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return [inner for one in value for inner in _inside(one, name)]
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else [] if found is None else [found]


def _by_value(items: list[Item], spot: Spot, scope: Scope, walk: Walk) -> bool | None:
    """Value and pattern: what the slice fixes there, by itself, by a binding, or by what is below it."""
    wanted = _wanted(spot, scope)
    if not wanted:
        wanted = [lambda i, n=node: _keeps(i, n, scope, walk) for node in spot.nodes if node.children]  # type: ignore[misc]
    if not wanted:
        return False
    answers = [[is_wanted(item) for item in items] for is_wanted in wanted]
    if all(True in found for found in answers):
        return True
    return None if items and all(True in found or None in found for found in answers) else False


def _wanted(spot: Spot, scope: Scope) -> list[Callable[[Item], bool | None]]:
    wanted: list[Callable[[Item], bool | None]] = [
        lambda i, v=value: contains(i.value, v)  # type: ignore[misc]
        for value in spot.values
    ]
    for node in spot.nodes:
        if node.fixed is not None:
            wanted.append(lambda i, v=node.fixed: equals(i.value, v))  # type: ignore[misc]
        if node.pattern is not None:
            wanted.append(lambda i, v=node.pattern: contains(i.value, v))  # type: ignore[misc]
        if node.binding is not None and node.binding.strength == "required":
            wanted.append(lambda i, u=node.binding.value_set: _is_coded(i, u, scope))  # type: ignore[misc]
    return wanted


def _is_coded(item: Item, url: str, scope: Scope) -> bool | None:
    """In the set or not; nothing that has no code is in it."""
    return is_member(item, url, scope.sets) if any(codes_of(item.value)) else False


def _by_type(items: list[Item], spot: Spot, scope: Scope, walk: Walk) -> bool:
    codes = {kind.code for node in spot.nodes for kind in node.kinds or ()} or {
        node.name for node in spot.nodes
    }
    return any(item.type in codes or (codes & {"Resource", "DomainResource"}) for item in items)


def _by_existence(items: list[Item], spot: Spot, scope: Scope, walk: Walk) -> bool:
    if any(node.max == 0 for node in spot.nodes):
        return not items
    return bool(items) if any(node.min for node in spot.nodes) else True


def _by_profile(items: list[Item], spot: Spot, scope: Scope, walk: Walk) -> bool:
    """A profile of the element's type; behind resolve() the target's profile is a tree already."""
    urls = [url for node in spot.nodes for kind in node.kinds or () for url in kind.profiles]
    trees = [node for node in spot.nodes if not node.kinds]
    return any(
        any(scope.conforms(item, url, walk) for url in urls)
        or any(
            _resembles(item, tree) and (is_stub(item) or _keeps(item, tree, scope, walk)) for tree in trees
        )
        for item in items
    )


def _resembles(item: Item, tree: Node) -> bool:
    return item.type == tree.name


def _keeps(item: Item, node: Node, scope: Scope, walk: Walk) -> bool:
    silent = Scope(scope.library, scope.sets, scope.resource, scope.whole, "", [], scope.around)
    walk(node, item, silent)
    return not any(fault.severity == "error" for fault in silent.faults)


_JUDGES: dict[str, Callable[[list[Item], Spot, Scope, Walk], bool | None]] = {
    "value": _by_value,
    "pattern": _by_value,
    "type": _by_type,
    "exists": _by_existence,
    "profile": _by_profile,
}

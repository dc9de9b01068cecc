"""A StructureDefinition -> its tree of Nodes.

The snapshot where there is one; else the differential, laid over the tree of the definition that it constrains. Both give the
same tree, because what R4 says anyway is taken out. https://hl7.org/fhir/R4/profiling.html#snapshot
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from fhir_server.r4 import definitions
from fhir_server.r4.definitions import Element, Invariant, elements
from fhir_server.r4.profiles.node import FACETS, KEPT, UNBOUNDED, Binding, Kind, Node, Slicing

Json = Mapping[str, Any]
TYPES = "http://hl7.org/fhir/StructureDefinition/"
_WIDEST = TYPES + "elementdefinition-maxValueSet"
_SIMPLE = TYPES + "SimpleQuantity"
_FHIR_TYPE = TYPES + "structuredefinition-fhir-type"
_BY_TYPE = Slicing((("type", "$this"),))
_SHORT = Slicing((("type", "$this"),), "closed")
"""What the path `valueQuantity` stands for: there is no other type."""
_BY_URL = Slicing((("value", "url"),))
_ALL_LANGUAGES = "http://hl7.org/fhir/ValueSet/all-languages"
"""R4 says it of each `language`, and nobody can list it."""


class BadDefinition(ValueError):
    """A StructureDefinition that no tree can be made of; the text says why."""


def build(definition: Json, base: Node | None) -> Node:
    """The tree; `base` is that of its baseDefinition, for a definition that has no snapshot. Raises BadDefinition."""
    kind = str(definition.get("type"))
    rows = _rows(definition)
    has_snapshot = "snapshot" in definition
    root = base.copied() if base is not None and not has_snapshot else Node(kind, kind, path=_path_of(kind))
    for identity, row in _identified(rows):
        _say(_reach(root, identity), row)
    _prune(root)
    return root


def _rows(definition: Json) -> list[Json]:
    found = definition.get("snapshot") or definition.get("differential") or {}
    rows = found.get("element") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("path") for row in rows):
        raise BadDefinition("It has neither a snapshot nor a differential whose elements have paths.")
    return rows


def _identified(rows: list[Json]) -> Iterator[tuple[list[str], Json]]:
    """Each element with the steps to it (`component:systolic`); ids may be missing, paths and slice names never are."""
    last: dict[str, str] = {}
    for row in rows:
        path = str(row["path"])
        identity = str(row.get("id") or "")
        plain = ".".join(step.partition(":")[0] for step in identity.split("."))
        if plain != path:
            outer, dot, tail = path.rpartition(".")
            name = f":{row['sliceName']}" if "sliceName" in row else ""
            identity = f"{last.get(outer, outer)}{dot}{tail}{name}"
        last[path] = identity
        yield identity.split(".")[1:], row


def _reach(root: Node, steps: list[str]) -> Node:
    """The node at the steps, made where it is not there yet."""
    node = root
    for step in steps:
        name, _, part = step.partition(":")
        choice = _choice(node.path, name)
        if choice:
            node, part = _child(node, f"{choice.choice}[x]"), part or name
            node.slicing = node.slicing or _SHORT
        else:
            node = _child(node, name)
        if part:
            node = _slice(node, part)
        if choice:
            node.path, node.kinds = choice.path, node.kinds or (Kind(choice.type),)
    return node


def _choice(path: str, name: str) -> Element | None:
    """The element that `valueQuantity` stands for, where a path is written in that short way."""
    found = elements(path).get(name) if path and not name.endswith("[x]") else None
    return found if found is not None and found.choice else None


def _child(node: Node, name: str) -> Node:
    found = node.children.get(name)
    if found is None:
        found = node.children[name] = Node(f"{node.id}.{name}", name, path=_member_path(node.path, name))
    return found


def _slice(node: Node, name: str) -> Node:
    """The slice of this name; `a/b` is slice b of the slice a."""
    for at, part in enumerate(name.split("/")):
        found = next((known for known in node.slices if known.slice.rpartition("/")[2] == part), None)
        if found is None:
            full = "/".join(name.split("/")[: at + 1])
            found = Node(
                f"{node.id.rpartition(':')[0] if at else node.id}:{full}", node.name, full, node.path
            )
            node.slices.append(found)
        node = found
    return node


def _member_path(path: str, name: str) -> str:
    """Where R4 lists the members of the element; nothing for a choice of several types."""
    known = base_element(path, name)
    return "" if known is None or name.endswith("[x]") else known.path


@lru_cache(maxsize=KEPT)
def base_element(path: str, name: str) -> Element | None:
    """R4's own element, for a choice the first of its types; None where R4 has none there."""
    if not path:
        return None
    found = elements(path)
    if not name.endswith("[x]"):
        return found.get(name)
    return next((element for element in found.values() if element.choice == name[:-3]), None)


def _path_of(kind: str) -> str:
    try:
        elements(kind)
    except KeyError:
        raise BadDefinition(f"R4 has no type {kind[:80]}.") from None
    return kind


def _say(node: Node, row: Json) -> None:
    """What one ElementDefinition says, over what was said before."""
    if "min" in row:
        node.min = int(row["min"])
    if "max" in row:
        node.max = UNBOUNDED if row["max"] == "*" else int(row["max"])
    if row.get("type"):
        node.kinds = tuple(_kind(found) for found in row["type"])
        if len(node.kinds) == 1 and not node.path:
            node.path = _known_path(node.kinds[0].code)
    if "binding" in row:
        node.binding = _binding(row["binding"])
    if "maxLength" in row:
        node.max_length = int(row["maxLength"])
    if "slicing" in row:
        node.slicing = _slicing(row["slicing"])
    if "isModifier" in row:
        node.is_modifier = bool(row["isModifier"])
    for key, value in row.items():
        for prefix, facet in _VALUES.items():
            if key.startswith(prefix) and key[len(prefix) : len(prefix) + 1].isupper():
                setattr(node, facet, value)
    known = {found.key for found in node.invariants}
    own = [_invariant(found) for found in row.get("constraint", ()) if found.get("key") not in known]
    node.invariants += tuple(own)


_VALUES = {"fixed": "fixed", "pattern": "pattern", "minValue": "least", "maxValue": "most"}


def _known_path(code: str) -> str:
    try:
        elements(code)
    except KeyError:
        return ""
    return code


def _kind(found: Json) -> Kind:
    code = str(found.get("code", ""))
    for extension in found.get("extension", ()):
        if extension.get("url") == _FHIR_TYPE:
            code = str(extension.get("valueUrl", extension.get("valueUri", code)))
    return Kind(code, tuple(found.get("profile", ())), tuple(found.get("targetProfile", ())))


def _binding(found: Json) -> Binding:
    widest = next(
        (
            str(extension.get("valueCanonical") or extension.get("valueUri") or "")
            for extension in found.get("extension", ())
            if extension.get("url") == _WIDEST
        ),
        "",
    )
    return Binding(str(found.get("strength", "example")), str(found.get("valueSet", "")), widest)


def _slicing(found: Json) -> Slicing:
    pairs = tuple((str(row["type"]), str(row["path"])) for row in found.get("discriminator", ()))
    return Slicing(pairs, str(found.get("rules", "open")), bool(found.get("ordered")))


def _invariant(found: Json) -> Invariant:
    return Invariant(str(found["key"]), str(found.get("severity", "error")), str(found.get("expression", "")))


def _prune(root: Node) -> None:
    """Take out what R4 says anyway, and what a slice only repeats."""
    root.min = root.max = root.kinds = None
    _drop_invariants(root, definitions.invariants(root.path))
    _prune_below(root)


def _prune_below(node: Node) -> None:
    for name, child in list(node.children.items()):
        base = base_element(node.path, name)
        if base is not None:
            _drop_base(child, base, node.path)
        for part in child.slices:
            part.min = part.min or None
            part.max = None if part.max == UNBOUNDED else part.max
        _prune_slices(child, base, node.path)
        _prune_below(child)
        if child.slices and child.slicing is None:
            child.slicing = _BY_TYPE if name.endswith("[x]") else _BY_URL if "xtension" in name else None
        if child.is_silent():
            del node.children[name]


def _prune_slices(node: Node, base: Element | None, path: str) -> None:
    for part in node.slices:
        if base is not None:
            _drop_base(part, base, path)
        _prune_slices(part, base, path)
        _prune_below(part)
        _drop_repeated(part, node)


def _drop_base(node: Node, base: Element, path: str) -> None:
    if node.min is not None and node.min <= (base.min if not node.slice else 0):
        node.min = None
    if node.max is not None and (node.max == UNBOUNDED or (base.max and node.max == base.max)):
        node.max = None
    if node.kinds is not None and _same_kinds(node, base, path):
        node.kinds = None
    if node.binding is not None:
        node.binding = _own_binding(node.binding, base)
    of_type = definitions.invariants(base.path) if base.path else ()
    _drop_invariants(node, (*base.invariants, *of_type))


def _own_binding(found: Binding, base: Element) -> Binding | None:
    widest = "" if found.widest == _ALL_LANGUAGES else found.widest
    is_base = base.binding == (found.strength, found.value_set.partition("|")[0])
    if found.strength == "example" or not found.value_set or is_base:
        return Binding("example", "", widest) if widest else None
    return Binding(found.strength, found.value_set, widest)


def _drop_invariants(node: Node, known: tuple[Invariant, ...]) -> None:
    keys = {found.key for found in known} | {"ele-1", "ext-1"}
    node.invariants = tuple(found for found in node.invariants if found.key not in keys)


def _same_kinds(node: Node, base: Element, path: str) -> bool:
    assert node.kinds is not None
    if node.slice and node.name.endswith("[x]"):
        return False
    every = [e for e in elements(path).values() if e.choice == base.choice] if base.choice else [base]
    allowed = {(e.type, frozenset(e.targets)) for e in every}
    own = () if base.choice else (_SIMPLE,)
    return all(kind.profiles in ((), own) for kind in node.kinds) and allowed <= {
        (kind.code, frozenset(target.removeprefix(TYPES) for target in kind.targets)) for kind in node.kinds
    }


def _drop_repeated(part: Node, whole: Node) -> None:
    """A slice's snapshot repeats what its element says."""
    for facet in FACETS:
        if facet not in ("min", "max", "invariants", "kinds") and getattr(part, facet) == getattr(
            whole, facet
        ):
            setattr(part, facet, None)
    _drop_invariants(part, whole.invariants)
    for name, child in list(part.children.items()):
        other = whole.children.get(name)
        if other is not None:
            _drop_repeated(child, other)
            _drop_counts(child, other)
            if child.is_silent():
                del part.children[name]


def _drop_counts(part: Node, whole: Node) -> None:
    if part.min == whole.min:
        part.min = None
    if part.max == whole.max:
        part.max = None
    if part.kinds == whole.kinds:
        part.kinds = None

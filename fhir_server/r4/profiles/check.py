"""The walk of a resource along a profile: cardinalities, slices, types, values, bindings, invariants.

It asks only what the profile adds; R4's own rules are asked by fhir_server.r4.rules. https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.r4.profiles import expression
from fhir_server.r4.profiles.binding import codes_of, is_member
from fhir_server.r4.profiles.discriminate import belongs
from fhir_server.r4.profiles.item import Item, members
from fhir_server.r4.profiles.library import base_type
from fhir_server.r4.profiles.node import UNBOUNDED, Kind, Node, Slicing
from fhir_server.r4.profiles.scope import Scope, is_stub
from fhir_server.r4.profiles.values import contains, equals, is_before, size_of

DEFAULT = "@default"


def walk(node: Node, item: Item, scope: Scope) -> None:
    """Judge the item and what is below it; faults go to the scope."""
    if node.has_own_rules():
        _judge(node, item, scope)
    for child in node.children.values():
        found = members(item, child.name)
        _count(child, len(found), item.place, scope)
        for one in found:
            walk(child, one, scope)
        if child.slices:
            _part(child, found, item.place, scope)


def _count(node: Node, size: int, place: str, scope: Scope) -> None:
    what = f"{node.id} " if node.slice else "It "
    if node.min and size < node.min:
        text = "is required here" if node.min == 1 else f"stands at least {node.min} times here"
        scope.say(f"{place}.{node.member}", "required", f"{what}{text}.", node.id)
    if node.max not in (None, UNBOUNDED) and size > (node.max or 0):
        text = "does not stand here" if node.max == 0 else f"stands at most {node.max} times here"
        scope.say(f"{place}.{node.member}", "structure", f"{what}{text}.", node.id)


def _part(node: Node, items: Sequence[Item], place: str, scope: Scope) -> None:
    """Put each item into its slice, count them, and judge each by its slice."""
    slicing = node.slicing or Slicing(())
    sorted_in: dict[str, list[Item]] = {part.slice: [] for part in node.slices}
    doubtful: set[str] = set()
    last, outside = 0, ""
    for item in items:
        at, maybe = _slice_of(item, node, slicing, scope)
        if at is None:
            outside = outside or item.place
            doubtful |= maybe
            if not maybe:
                _unmatched(node, item, slicing, sorted_in, scope)
            continue
        if slicing.is_ordered and at < last:
            scope.say(item.place, "structure", "The slices stand in another order.", node.id)
        if slicing.rules == "openAtEnd" and outside:
            scope.say(outside, "structure", "What is in no slice stands at the end.", node.id)
            outside = ""
        last = max(last, at)
        sorted_in[node.slices[at].slice].append(item)
    for part in node.slices:
        if part.slice not in doubtful:
            _judge_slice(part, sorted_in[part.slice], place, scope)


def _judge_slice(part: Node, items: Sequence[Item], place: str, scope: Scope) -> None:
    _count(part, len(items), place, scope)
    for item in items:
        walk(part, item, scope)
    if part.slices:
        _part(part, items, place, scope)


def _slice_of(item: Item, node: Node, slicing: Slicing, scope: Scope) -> tuple[int | None, set[str]]:
    """The slice's number, or the names of those that it may be in: value sets that would tell are not known."""
    maybe: set[str] = set()
    for at, part in enumerate(node.slices):
        found = part.slice != DEFAULT and belongs(item, part, slicing.discriminators, scope, walk)
        if found:
            return at, set()
        if found is None:
            maybe.add(part.slice)
    return None, maybe


def _unmatched(
    node: Node, item: Item, slicing: Slicing, sorted_in: dict[str, list[Item]], scope: Scope
) -> None:
    if DEFAULT in sorted_in:
        sorted_in[DEFAULT].append(item)
    elif slicing.rules == "closed":
        names = ", ".join(part.slice for part in node.slices)
        scope.say(
            item.place, "structure", f"This is none of the slices {names}, and there are no others.", node.id
        )


def _judge(node: Node, item: Item, scope: Scope) -> None:
    value = item.value
    if node.fixed is not None and value is not None and not equals(value, node.fixed):
        scope.say(item.place, "value", f"{node.id} is fixed to another value.", node.id)
    if node.pattern is not None and not contains(value, node.pattern):
        scope.say(item.place, "value", f"{node.id} does not have what its pattern has.", node.id)
    if node.max_length and size_of(value) > node.max_length:
        scope.say(item.place, "too-long", f"{node.id} has at most {node.max_length} characters.", node.id)
    if node.least is not None and is_before(value, node.least):
        scope.say(item.place, "value", f"{node.id} is less than the profile allows.", node.id)
    if node.most is not None and is_before(node.most, value):
        scope.say(item.place, "value", f"{node.id} is more than the profile allows.", node.id)
    if node.kinds is not None:
        _judge_type(node, node.kinds, item, scope)
    if node.binding is not None:
        judge_binding(node, item, scope)
    for rule in node.invariants:
        holds = expression.holds(rule, item, scope, walk)
        if holds is None:
            scope.regret(item.place, f"This could not be evaluated: {rule.expression}", rule.key)
        elif not holds:
            text = f"This does not hold: {rule.expression}"
            scope.say(item.place, "invariant", text, rule.key, rule.severity)


def _judge_type(node: Node, kinds: Sequence[Kind], item: Item, scope: Scope) -> None:
    fitting = [
        kind for kind in kinds if item.type in (kind.code, _OF_R4.get(kind.code)) or kind.code in _ABSTRACT
    ]
    if not fitting:
        if item.type not in _NEVER_JUDGED:
            names = " or ".join(sorted({kind.code for kind in kinds}))
            scope.say(item.place, "structure", f"{node.id} is {names}.", node.id)
        return
    profiles = [url for kind in fitting for url in kind.profiles if kind.code != "Extension"]
    if profiles and not any(scope.conforms(item, url, walk) is not False for url in profiles):
        scope.say(item.place, "structure", f"It does not keep {' or '.join(profiles)}.", node.id)
    targets = [url for kind in fitting for url in kind.targets]
    if targets and item.type == "Reference":
        _judge_target(node, targets, item, scope)


_ABSTRACT = ("Resource", "DomainResource", "Element", "BackboneElement")
_OF_R4 = {"id": "string"}
"""How R4's own snapshots type Resource.id; guides that were published since type it as id."""
_NEVER_JUDGED = ("BackboneElement", "Element")


def _judge_target(node: Node, targets: Sequence[str], item: Item, scope: Scope) -> None:
    target = scope.target(item.value)
    if target is None:
        return
    types = {scope.library.type_of(url) for url in targets}
    if "" not in types and not types & {target.type, "Resource", "DomainResource"}:
        text = f"A reference here points to {' or '.join(sorted(types))}."
        scope.say(f"{item.place}.reference", "value", text, node.id)
    elif not is_stub(target) and not any(_is_target(target, url, scope) for url in targets):
        text = f"What it refers to does not keep {' or '.join(targets)}."
        scope.say(f"{item.place}.reference", "value", text, node.id)


def _is_target(target: Item, url: str, scope: Scope) -> bool:
    plain = base_type(url)
    if plain:
        return plain in (target.type, "Resource", "DomainResource")
    return scope.conforms(target, url, walk) is not False


def judge_binding(node: Node, item: Item, scope: Scope) -> None:
    """Required: an error; extensible: a warning where there are codes and none is in the set; preferred: a word."""
    binding = node.binding
    assert binding is not None
    if binding.widest and is_member(item, binding.widest, scope.sets) is False:
        text = f"The code is not in {binding.widest}, which is the widest set here."
        scope.say(item.place, "code-invalid", text, node.id)
    severity = _SEVERITY.get(binding.strength)
    if not severity or not binding.value_set:
        return
    found = is_member(item, binding.value_set, scope.sets)
    if found is False:
        text = f"The code is not in the value set {binding.value_set} ({binding.strength})."
        scope.say(item.place, "code-invalid", text, node.id, severity)
    elif found is None and binding.strength == "required" and any(codes_of(item.value)):
        text = f"It cannot be told whether the value set {binding.value_set} has the code."
        scope.regret(item.place, text, node.id)


_SEVERITY = {"required": "error", "extensible": "warning", "preferred": "information"}

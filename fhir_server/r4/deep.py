"""The invariants that have no rule of ours, asked in FHIRPath: slow (some ms a resource), so only where a caller wants all.

An expression that cannot be evaluated, or that has no answer, breaks nothing. https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from fhir_server.r4 import definitions
from fhir_server.r4.definitions import Element, Invariant, elements
from fhir_server.r4.faults import Fault
from fhir_server.r4.fhirpath_engine import evaluate
from fhir_server.r4.invariants import BY_STRUCTURE, rule_of
from fhir_server.r4.primitives import PRIMITIVES

_LOG = logging.getLogger(__name__)
_NOT_ASKED = BY_STRUCTURE | {"dom-6"}
"""dom-6 wishes for a narrative; it is a matter of taste, not of the record."""


def ask(resource: dict[str, Any]) -> list[Fault]:
    """Faults of a resource that is otherwise valid."""
    return [
        fault
        for place, node, path, rules, root in _nodes(resource, "")
        for fault in _broken(place, node, path, rules, root)
    ]


_Node = tuple[str, Any, str, tuple[Invariant, ...], dict[str, Any]]


def _nodes(resource: dict[str, Any], place: str) -> Iterator[_Node]:
    kind = resource["resourceType"]
    yield place, resource, kind, definitions.invariants(kind), resource
    yield from _members(resource, kind, place, resource)


def _members(value: dict[str, Any], path: str, place: str, root: dict[str, Any]) -> Iterator[_Node]:
    known = elements(path)
    for name, found in value.items():
        element = known.get(name)
        if element is not None:
            here = f"{place}.{element.choice or name}"
            for at, item in enumerate(found if isinstance(found, list) else [found]):
                yield from _member(item, path, element, f"{here}[{at}]" if element.is_list else here, root)


def _member(item: Any, path: str, element: Element, place: str, root: dict[str, Any]) -> Iterator[_Node]:
    if element.type == "Resource":
        yield from _nodes(item, place)
        return
    yield place, item, f"{path}.{element.name}", element.invariants, root
    if element.type not in PRIMITIVES:
        if element.path != f"{path}.{element.name}":
            yield place, item, element.path, definitions.invariants(element.path), root
        yield from _members(item, element.path, place, root)


def _broken(
    place: str, node: Any, path: str, rules: tuple[Invariant, ...], root: dict[str, Any]
) -> Iterator[Fault]:
    for rule in rules:
        if (
            rule.key not in _NOT_ASKED
            and rule.expression
            and rule_of(path, rule.key) is None
            and keeps(rule, node, path, root, root) is False
        ):
            yield Fault(place, "invariant", f"This does not hold: {rule.expression}", rule.key, rule.severity)


def keeps(rule: Invariant, node: Any, path: str, resource: Any, root: Any, twin: Any = None) -> bool | None:
    """Whether the node keeps the rule, None where that cannot be evaluated; `path` tells its type, `twin` holds a primitive's extensions."""
    try:
        answer = evaluate(rule.expression, node, resource, root, path, twin)
    except Exception:
        _LOG.debug("FHIRPath of %s cannot be evaluated", rule.key)
        return None
    return answer != [False]

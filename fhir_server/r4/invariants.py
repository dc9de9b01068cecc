"""R4's invariants as Python rules, by key; severities come from the tables, the rest is left to FHIRPath (`deep.py`).

A key that R4 uses twice is written with its type in front. https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.r4 import definitions
from fhir_server.r4.definitions import Element, Invariant
from fhir_server.r4.faults import Check, Fault, Faults
from fhir_server.r4.invariant_forms import Rule
from fhir_server.r4.invariants_clinical import CLINICAL
from fhir_server.r4.invariants_conformance import CONFORMANCE
from fhir_server.r4.invariants_datatypes import DATATYPES

RULES: dict[str, Rule] = {**DATATYPES, **CLINICAL, **CONFORMANCE}

BY_STRUCTURE = frozenset("ele-1 dom-2 dom-3 dom-4 dom-5 ref-1 txt-1 txt-2".split())  # noqa: SIM905
"""Kept by the walk itself: empty objects, contained resources, local references, narratives."""

Compiled = tuple[Rule, Fault]
"""A rule and what is said when it does not hold."""


def rule_of(path: str, key: str) -> Rule | None:
    """The rule of the key where the path's type has it."""
    return RULES.get(f"{path.partition('.')[0]}.{key}") or RULES.get(key)


def compiled(path: str, found: Iterable[Invariant] | None = None) -> tuple[Compiled, ...]:
    """The rules of a type or backbone element (or those of `found`)."""
    every = definitions.invariants(path) if found is None else found
    rules = [(rule_of(path, invariant.key), invariant) for invariant in every]
    return tuple((rule, _fault(rule, invariant)) for rule, invariant in rules if rule is not None)


def _fault(rule: Rule, invariant: Invariant) -> Fault:
    return Fault("", "invariant", rule.text, invariant.key, invariant.severity)


def guarded(path: str, element: Element, plain: Check) -> Check:
    """`plain` and the rules that the element has beside those of its datatype."""
    own = definitions.invariants(element.path)
    rules = compiled(f"{path}.{element.name}", [found for found in element.invariants if found not in own])
    if not rules:
        return plain

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        found = plain(value, parent)
        return found if found else [fault for rule, fault in rules if not rule.holds(value)] or None

    return check

"""Invariants of profiles, in FHIRPath; one that has no answer breaks nothing.

`memberOf`, `conformsTo` and `resolve` ask the value sets, the library and the resources of the walk. https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fhir_server.r4.definitions import TYPE_CODE, Invariant
from fhir_server.r4.fhirpath_known import knowing
from fhir_server.r4.profiles.binding import codes_of
from fhir_server.r4.profiles.item import Item, root
from fhir_server.r4.profiles.library import base_type
from fhir_server.r4.profiles.node import Node
from fhir_server.r4.profiles.scope import Scope, is_stub

Walk = Callable[[Node, Item, Scope], None]


_BEYOND_TYPE = re.compile(r"resolve\(\)(?!\s+is\b|\s*\.\s*is\()")
"""An expression that asks more of a target than its type, which a reference alone would tell."""


class _Known:
    """fhirpath_known.Known, out of a scope."""

    def __init__(self, scope: Scope, walk: Walk, takes_stubs: bool) -> None:
        self._scope, self._walk, self._takes_stubs = scope, walk, takes_stubs

    def is_member(self, value: Any, value_set: str) -> bool | None:
        holds = self._scope.sets.holds
        answers = {holds(value_set, system, code) for system, code in codes_of(value)}
        return True if True in answers else None if None in answers else False

    def conforms(self, value: Any, profile: str) -> bool | None:
        plain = base_type(profile)
        if "resourceType" in value:
            return value["resourceType"] == plain if plain else self._conforms(root(value), profile)
        kind = self._scope.library.type_of(profile)
        if not kind or plain:
            return None  # an element has lost its type's name here
        return False if kind in TYPE_CODE else self._conforms(Item("", value, kind, kind), profile)

    def resolve(self, reference: Any) -> Any:
        target = self._scope.target({"reference": reference} if isinstance(reference, str) else reference)
        return None if target is None or (is_stub(target) and not self._takes_stubs) else target.value

    def _conforms(self, item: Item, profile: str) -> bool | None:
        return self._scope.conforms(item, profile, self._walk)


def holds(rule: Invariant, item: Item, scope: Scope, walk: Walk) -> bool | None:
    """Whether the item keeps the rule, None where that cannot be evaluated; `%resource` is the resource around it, `%rootResource` what contains that."""
    # the import of fhirpathpy takes 170 ms, which a server without profiles does not spend
    from fhir_server.r4 import deep

    if not rule.expression:
        return True
    with knowing(_Known(scope, walk, not _BEYOND_TYPE.search(rule.expression))):
        return deep.keeps(rule, item.value, item.path, scope.resource, scope.whole.resource, item.twin)

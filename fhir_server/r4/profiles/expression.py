"""Invariants of profiles, in FHIRPath; one that has no answer breaks nothing.

`memberOf` and `conformsTo` ask the value sets and the library of the walk. https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.r4.definitions import TYPE_CODE, Invariant
from fhir_server.r4.fhirpath_known import knowing
from fhir_server.r4.profiles.binding import codes_of
from fhir_server.r4.profiles.item import Item, root
from fhir_server.r4.profiles.library import base_type
from fhir_server.r4.profiles.node import Node
from fhir_server.r4.profiles.scope import Scope

Walk = Callable[[Node, Item, Scope], None]


class _Known:
    """fhirpath_known.Known, out of a scope."""

    def __init__(self, scope: Scope, walk: Walk) -> None:
        self._scope, self._walk = scope, walk

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

    def _conforms(self, item: Item, profile: str) -> bool | None:
        return self._scope.conforms(item, profile, self._walk)


def holds(rule: Invariant, item: Item, scope: Scope, walk: Walk) -> bool | None:
    """Whether the item keeps the rule, None where that cannot be evaluated; `%resource` is the resource around it, `%rootResource` what contains that."""
    # the import of fhirpathpy takes 170 ms, which a server without profiles does not spend
    from fhir_server.r4 import deep

    if not rule.expression:
        return True
    with knowing(_Known(scope, walk)):
        return deep.keeps(rule, item.value, item.path, scope.resource, scope.whole.resource, item.twin)

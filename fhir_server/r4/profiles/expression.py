"""Invariants of profiles, in FHIRPath; one that has no answer breaks nothing.

https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.r4.definitions import Invariant
from fhir_server.r4.profiles.item import Item

Json = dict[str, Any]


def holds(rule: Invariant, item: Item, resource: Json, whole: Json) -> bool | None:
    """Whether the item keeps the rule, None where that cannot be evaluated; `%resource` is the resource around it, `%rootResource` what contains that."""
    # the import of fhirpathpy takes 170 ms, which a server without profiles does not spend
    from fhir_server.r4 import deep

    return deep.keeps(rule, item.value, item.path, resource, whole, item.twin) if rule.expression else True

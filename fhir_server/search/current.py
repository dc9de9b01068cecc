"""`_list=$current-...`: the lists that R4 defines by their function, answered from the statuses of the resources themselves.

What is current is what the record says goes on; a List resource that somebody keeps by hand is asked for by its id.
https://hl7.org/fhir/R4/lifecycle.html#current
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.query import AllOf, Condition

Pair = tuple[str, str]
_ERROR = ("verification-status:not", "entered-in-error,refuted")
_ALLERGIES = (("clinical-status", "active"), _ERROR)
CURRENT: dict[tuple[str, str], tuple[Pair, ...]] = {
    ("$current-problems", "Condition"): (("clinical-status", "active,recurrence,relapse"), _ERROR),
    ("$current-allergies", "AllergyIntolerance"): _ALLERGIES,
    ("$current-drug-allergies", "AllergyIntolerance"): (*_ALLERGIES, ("category", "medication")),
    ("$current-medications", "MedicationRequest"): (("status", "active"), ("intent", "order")),
    ("$current-medications", "MedicationStatement"): (("status", "active,intended"),),
}
"""Conditions of each list on a resource type that it can hold."""


def current(types: Sequence[str], name: str, make: Callable[[str, str], Condition]) -> Condition:
    """The list's condition; `make` turns name and value into one. Raises BAD_PARAMETER."""
    found = CURRENT.get((name, types[0])) if len(types) == 1 else None
    if found is None:
        known = ", ".join(f"{kind}?_list={code}" for code, kind in CURRENT)
        raise FhirError(Problem.BAD_PARAMETER, f"_list: of the lists by function there are {known}.")
    return AllOf(tuple(make(*pair) for pair in found))

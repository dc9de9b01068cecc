"""Whether a resource is R4: elements, cardinalities, forms, bindings, references, extensions, contained resources, invariants.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.faults import MOST_ISSUES
from fhir_server.r4.outcome import Issue
from fhir_server.r4.rules import resource as check


def validate(resource: dict[str, Any], deep: bool = False) -> list[Issue]:
    """What is wrong, errors first; nothing when the resource is valid. At most 200 issues, and none holds a value of the record.

    `deep` also asks the invariants that are not compiled, in FHIRPath; it takes milliseconds instead of microseconds.
    """
    try:
        faults = check(resource, {}) or []
        if deep and not any(fault.severity == "error" for fault in faults):
            # the import of fhirpathpy takes 170 ms, which a server that never asks deeply does not spend
            from fhir_server.r4.deep import ask

            faults += ask(resource)
    except RecursionError:
        return [Issue("structure", "The resource is nested too deeply.")]
    if not faults:
        return []
    faults.sort(key=lambda fault: fault.severity != "error")
    return [fault.as_issue(_root(resource)) for fault in faults[:MOST_ISSUES]]


def _root(resource: Any) -> str:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return kind if isinstance(kind, str) and kind in TYPE_CODE else "Resource"

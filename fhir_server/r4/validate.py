"""Whether a resource is R4: elements, cardinalities, forms, bindings, references, extensions, contained resources.

https://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import Issue
from fhir_server.r4.rules import resource as check

MOST_ISSUES = 200


def validate(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong, in document order; nothing when the resource is valid. At most 200 issues; none holds a value of the record."""
    try:
        faults = check(resource, {})
    except RecursionError:
        return [Issue("structure", "The resource is nested too deeply.")]
    if faults is None:
        return []
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    root = kind if isinstance(kind, str) and kind in TYPE_CODE else "Resource"
    return [fault.as_issue(root) for fault in faults[:MOST_ISSUES]]

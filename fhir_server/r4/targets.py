"""References: their form, and whether the type that they name may stand there.

`Type/id`, `Type/id/_history/v`, an absolute URL, `urn:uuid:`, `urn:oid:`, `#contained` and, in transactions, `Type?query`.
https://hl7.org/fhir/R4/references.html#literal
"""

from __future__ import annotations

from typing import Any

from fhir_server.r4.definitions import TYPE_CODE, Element
from fhir_server.r4.faults import Check, Fault, Faults, fault
from fhir_server.r4.reference import ABSOLUTE, RELATIVE

_FORM = "Type/id, an absolute URL, urn:uuid:, urn:oid: or #id of a contained resource"
_ANY = frozenset(["Resource"])
_AGENTS = frozenset(["Organization", "Practitioner", "PractitionerRole"])


def reference(element: Element, plain: Check) -> Check:
    """`plain` (a Reference's members) and the reference's form and target type."""
    targets = frozenset(element.targets) or _ANY

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        found = plain(value, parent)
        if (
            type(value) is not dict
            or type(literal := value.get("reference")) is not str
            or literal[:4] == "urn:"
        ):
            return found
        match = RELATIVE(literal)
        kind = match and (match["type"] or match["asked"])
        if kind in targets:
            return found
        wrong = _wrong_type(kind, targets) if kind else _wrong_form(literal)
        return [*(found or ()), *(wrong or ())] or None

    return check


def _wrong_form(literal: str) -> Faults:
    if literal[:1] == "#":
        return [
            Fault(
                ".reference",
                "invariant",
                "No contained resource has the id that is named here.",
                "ref-1",
                local=literal,
            )
        ]
    if ABSOLUTE(literal):
        return None
    return fault("value", f"This is not the form of a reference: {_FORM}.", ".reference")


def _wrong_type(kind: str, targets: frozenset[str]) -> Faults:
    """An agent for another is a warning: HL7's own examples name a Practitioner where R4 wants the Organization."""
    if kind not in TYPE_CODE:
        return fault("value", "The reference names a resource type that R4 does not have.", ".reference")
    if targets == _ANY:
        return None
    severity = "warning" if kind in _AGENTS and targets & _AGENTS else "error"
    return [
        Fault(
            ".reference", "value", f"A reference here points to {' or '.join(sorted(targets))}.", "", severity
        )
    ]

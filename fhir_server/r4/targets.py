"""References: their form, and whether the type that they name may stand there.

`Type/id`, `Type/id/_history/v`, an absolute URL, `urn:uuid:`, `urn:oid:`, `#contained` and, in transactions, `Type?query`.
https://hl7.org/fhir/R4/references.html#literal
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.r4.definitions import TYPE_CODE, Element
from fhir_server.r4.faults import Check, Fault, Faults, fault, within

_RELATIVE = re.compile(
    r"(?P<type>[A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?|\?\S+)"
).fullmatch
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
_FORM = "a reference is Type/id, an absolute URL, urn:uuid:, urn:oid: or #id of a contained resource"


def reference(element: Element, plain: Check) -> Check:
    """`plain` (a Reference's members) and the reference's form and target type."""
    targets = frozenset(element.targets) or frozenset(["Resource"])
    is_any = "Resource" in targets
    text = f"A reference here points to {', '.join(sorted(targets))}."

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        found = plain(value, parent)
        if type(value) is not dict or type(literal := value.get("reference")) is not str:
            return found
        if literal[:4] == "urn:":
            return found
        local = [
            Fault("", "invariant", f"No contained resource has this id: {_FORM}.", "ref-1", local=literal)
        ]
        if literal[:1] == "#":
            return [*(found or ()), *local]
        match = _RELATIVE(literal)
        if match is None:
            return _unless(_ABSOLUTE(literal), found, f"This is not the form of a reference: {_FORM}.")
        kind = match["type"]
        if kind not in TYPE_CODE:
            return _unless(None, found, "The reference names a resource type that R4 does not have.")
        return found if is_any or kind in targets else _unless(None, found, text)

    def _unless(good: object, found: Faults, problem: str) -> Faults:
        return found if good else [*(found or ()), *within(".reference", fault("value", problem))]

    return check

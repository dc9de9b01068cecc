"""R4's invariants as Python predicates, by key; severities come from the tables.

https://hl7.org/fhir/R4/elementdefinition.html#invariant
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.r4 import definitions
from fhir_server.r4.faults import Fault


class Compiled(NamedTuple):
    """A predicate and what is said when it does not hold."""

    holds: Callable[[dict[str, Any]], bool]
    fault: Fault


def ext_1(value: dict[str, Any]) -> bool:
    """A value or nested extensions, not both and not neither."""
    return ("extension" in value) != any(name.startswith(("value", "_value")) for name in value)


PREDICATES: dict[str, tuple[Callable[[dict[str, Any]], bool], str]] = {
    "ext-1": (ext_1, "An extension has either a value or extensions of its own."),
}


def compiled(path: str) -> tuple[Compiled, ...]:
    """The invariants of a type or backbone element that have a predicate."""
    found = []
    for invariant in definitions.invariants(path):
        if invariant.key in PREDICATES:
            holds, text = PREDICATES[invariant.key]
            found.append(Compiled(holds, Fault("", "invariant", text, invariant.key, invariant.severity)))
    return tuple(found)

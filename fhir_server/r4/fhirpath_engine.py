"""FHIRPath whole: the library fhirpathpy over R4's model, with functions and variables that it lacks.

Some milliseconds an expression; what writes and searches need is compiled by `fhirpath`. docs/performance.md has how many of HL7's
tests it passes. http://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import fhirpathpy
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

from fhir_server.r4.fhirpath_functions import FUNCTIONS
from fhir_server.r4.invariant_forms import UCUM

Variables = dict[str, Any]
KEPT = 5_000
"""Expressions that stay compiled."""
_TRACE = re.compile(r"\.trace\('\w*'\)")
"""Traces print what they see, which may be a word of the record."""
_NAMED = re.compile(r"%`?(?P<name>(?P<kind>vs|ext)-(?P<tail>[\w-]+))`?")
_FOLDERS = {"vs": "ValueSet", "ext": "StructureDefinition"}


class _Node(ResourceNode):
    """A typed node at which an expression may begin with its type's name: `Patient.name`."""

    def __getitem__(self, name: str) -> Any:
        return self.data.get(name) if isinstance(self.data, dict) else None


def evaluate(
    expression: str, value: Any, resource: Any, root: Any = None, path: str = "", twin: Any = None
) -> list[Any]:
    """The collection. `path` tells the type of a value inside the resource, `twin` holds a primitive's extensions.

    Raises what fhirpathpy raises, which may name a value of the record: it is not to be shown.
    """
    typed = _Node(value, path, twin) if path else _typed(value)  # type: ignore[no-untyped-call]
    run, named = _compiled(expression)
    around, whole = _typed(resource), _typed(root or resource)
    variables = {"resource": around, "rootResource": whole, "context": typed, "ucum": UCUM}
    found: list[Any] = run(typed, {**variables, **_FIXED, **named})
    return found


def _typed(value: Any) -> Any:
    """A resource says its type itself."""
    is_resource = isinstance(value, dict) and "resourceType" in value
    return _Node(value, value["resourceType"]) if is_resource else value  # type: ignore[no-untyped-call]


_FIXED = {"sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}


@lru_cache(maxsize=KEPT)
def _compiled(expression: str) -> tuple[Callable[[Any, Variables], Any], Variables]:
    """The expression, and the value sets and extensions that it names. https://hl7.org/fhir/R4/fhirpath.html#variables"""
    text = _TRACE.sub("", expression)
    if "$this" in text:
        text = f"select({text})"  # fhirpathpy has no $this outside of a function
    named = {
        found["name"]: f"http://hl7.org/fhir/{_FOLDERS[found['kind']]}/{found['tail']}"
        for found in _NAMED.finditer(text)
    }
    run: Callable[[Any, Variables], Any] = fhirpathpy.compile(
        text, models["r4"], {"userInvocationTable": FUNCTIONS}
    )
    return run, named

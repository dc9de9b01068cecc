"""`_include` and `_revinclude`: which references bring further resources into the page.

`Type:parameter[:TargetType]`, `Type:*`, `*`; `:iterate` follows from what was included, too.
https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.r4.definitions import RESOURCE_TYPES, TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.parameters import Parameter, Registry
from fhir_server.search.query import Include


def parse_include(registry: Registry, types: Sequence[str], name: str, value: str) -> list[Include]:
    """The includes of one pair."""
    word, _, modifier = name.partition(":")
    if modifier not in ("", "iterate", "recurse"):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: the only modifier is :iterate.")
    reverse, iterate = word == "_revinclude", bool(modifier)
    if value == "*":
        return [_everything(registry, types, reverse, iterate)]
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if source not in TYPE_CODE or (target and target not in TYPE_CODE) or not code:
        raise FhirError(
            Problem.BAD_PARAMETER, f"{name}: expected Type:parameter, Type:parameter:TargetType or *."
        )
    found = _references(registry, source) if code == "*" else [_reference(registry, source, code, name)]
    parameters = tuple(sorted({i for p in found for i in p.stored}))
    narrowed = target or (found[0].narrowed if len(found) == 1 else "")
    return [Include(source, parameters, narrowed, reverse, iterate)]


def _everything(registry: Registry, types: Sequence[str], reverse: bool, iterate: bool) -> Include:
    """`*`: every reference of the searched types, or every reference to them; over and over again, of any type."""
    sources = types if types and not reverse and not iterate else RESOURCE_TYPES
    every = {i for t in sources for p in _references(registry, t) for i in p.stored}
    return Include("", tuple(sorted(every)), "", reverse, iterate)


def _references(registry: Registry, source: str) -> list[Parameter]:
    return [p for p in registry.by_type.get(source, {}).values() if p.type == "reference"]


def _reference(registry: Registry, source: str, code: str, name: str) -> Parameter:
    found = registry.get(source, code)
    if found is None or found.type != "reference":
        known = ", ".join(sorted(p.code for p in _references(registry, source)))
        raise FhirError(
            Problem.BAD_PARAMETER, f"{name}: {source} has no reference parameter {code}. Known: {known}."
        )
    return found

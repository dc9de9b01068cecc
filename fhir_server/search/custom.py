"""A SearchParameter resource -> the parameters that it defines, one a resource type, or a clear refusal.

Only an active one is carried out. A code that R4 or US Core has given a meaning keeps it: what says the same, or derives from it, is
answered by it; anything else is refused. https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fhir_server.r4.definitions import RESOURCE_TYPES, TYPE_CODE, SearchParameter, elements
from fhir_server.r4.fhirpath import ExpressionError, branches, compile_expression
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.parameters import BUILT_IN, Parameter, Registry
from fhir_server.search.ranking import Config, NoRanker
from fhir_server.search.types.composite import STORED

FIRST_OF_USERS = 10_001
"""Numbers from here on are of parameters that users have stored."""
ABSTRACT = ("Resource", "DomainResource")
Json = Mapping[str, Any]
ConfigOf = Callable[[Json], Config]
NO_CONFIG: ConfigOf = NoRanker().config


def definitions_of(
    resource: Json, registry: Registry, config_of: ConfigOf = NO_CONFIG
) -> list[SearchParameter]:
    """What the resource adds to the registry; nothing where it is not active, or says what is known anyhow.

    Raises INVALID, naming the element.
    """
    if resource.get("status") != "active":
        return []
    found = [made for base in _bases(resource) if (made := _definition(resource, base, registry))]
    for made in found:
        _check(made, registry)
    if any(made.type == "special" for made in found):
        config = config_of(resource)
        return [replace(made, config=config) for made in found]
    return found


def _bases(resource: Json) -> list[str]:
    given = resource.get("base") or []
    unknown = [name for name in given if name not in TYPE_CODE and name not in ABSTRACT]
    if unknown or not given:
        raise _refused("base", "expected one or more of R4's resource types")
    if "Resource" in given:
        return list(RESOURCE_TYPES)
    if "DomainResource" in given:
        return [name for name in RESOURCE_TYPES if "text" in elements(name)]
    return list(dict.fromkeys(given))


def _definition(resource: Json, base: str, registry: Registry) -> SearchParameter | None:
    """The resource's meaning for this type; None where a parameter that is there already has it."""
    code, kind, url = str(resource["code"]), str(resource["type"]), str(resource["url"])
    expression = own_branches(str(resource.get("expression", "")), base)
    there = registry.get(base, code)
    if code in BUILT_IN or (there and there.id < FIRST_OF_USERS):
        if _is_said_already(resource, code, kind, expression, there):
            return None
        where = there.url if there else "R4"
        raise _refused("code", f"{base}.{code} is {where}'s; choose another code, or derive from it")
    if code.startswith("_"):
        raise _refused(
            "code", "codes that begin with _ are for parameters of the specification and the server"
        )
    if there and there.url != url:
        raise _refused("code", f"{base}.{code} is defined by {there.url} already")
    parts = tuple((str(c["definition"]), str(c["expression"])) for c in resource.get("component", ()))
    targets = tuple(map(str, resource.get("target", ())))
    return SearchParameter(0, base, code, kind, expression, targets, parts, url)


def _is_said_already(resource: Json, code: str, kind: str, expression: str, there: Parameter | None) -> bool:
    if code in BUILT_IN:
        return code in ("_id", "_lastUpdated") or str(resource["url"]).startswith("http://hl7.org/fhir/")
    assert there is not None
    same = there.url in (resource["url"], resource.get("derivedFrom")) or there.expression == expression
    return same and there.type == kind


def own_branches(expression: str, base: str) -> str:
    """Of a union over several types what speaks of this one, or of any."""
    parts = [p for p in branches(expression) if p]
    kept = [p for p in parts if _root(p) in (base, *ABSTRACT) or _root(p) not in TYPE_CODE]
    return " | ".join(kept)


def _root(branch: str) -> str:
    return branch.lstrip("(").split(".")[0].split(" ")[0]


def _check(made: SearchParameter, registry: Registry) -> None:
    """Raises INVALID where the parameter cannot be indexed."""
    if not made.expression:
        raise _refused("expression", f"nothing is said of {made.base}, and without it nothing can be indexed")
    try:
        compile_expression(made.expression, made.base)
    except ExpressionError as error:
        raise _refused("expression", str(error)) from None
    if made.type == "composite":
        _check_components(made, registry)


def _check_components(made: SearchParameter, registry: Registry) -> None:
    if len(made.components) < 2:
        raise _refused("component", "a composite has two components or more")
    for place, (definition, expression) in enumerate(made.components, 1):
        found = registry.by_url.get(definition)
        if not found:
            raise _refused("component.definition", f"{definition} is not known here")
        try:
            compile_expression(expression)
        except ExpressionError as error:
            raise _refused("component.expression", str(error)) from None
        if not _fits(found[0].type, place):
            raise _refused("component", f"a {found[0].type} cannot stand in place {place}; try another order")


_STORABLE = {
    "token": "code",
    "reference": "target",
    "date": "from",
    "number": "lo",
    "quantity": "canonical_lo",
    "string": "value",
    "uri": "value",
}
"""The column without which a component of the type could not be asked for."""


def _fits(kind: str, place: int) -> bool:
    return kind in _STORABLE and f"c{place}_{_STORABLE[kind]}" in STORED


def _refused(element: str, text: str) -> FhirError:
    return FhirError(Problem.INVALID, f"SearchParameter.{element}: {text}.", f"SearchParameter.{element}")

"""A search engine that a reader can check against R4's page line by line: it looks at every resource for every search.

It knows a handful of parameters and shares no code with the server. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.laws import oracle_values as agree
from tests.laws.oracle_values import PREFIXES, hidden, shown

Json = dict[str, Any]
PARAMETERS: dict[str, dict[str, tuple[str, str]]] = {
    "Patient": {
        "family": ("family", "name.family"),
        "given": ("string", "name.given"),
        "address-city": ("string", "address.city"),
        "birthdate": ("date", "birthDate"),
        "gender": ("code", "gender"),
        "active": ("code", "active"),
        "identifier": ("token", "identifier"),
        "general-practitioner": ("reference", "generalPractitioner"),
        "organization": ("reference", "managingOrganization"),
    },
    "Practitioner": {"family": ("family", "name.family"), "active": ("code", "active")},
    "Organization": {"active": ("code", "active"), "partof": ("reference", "partOf")},
    "Observation": {
        "status": ("code", "status"),
        "code": ("token", "code"),
        "date": ("date", "effectiveDateTime|effectivePeriod|effectiveTiming"),
        "value-quantity": ("quantity", "valueQuantity"),
        "value-string": ("string", "valueString|valueCodeableConcept.text"),
        "value-concept": ("token", "valueCodeableConcept"),
        "subject": ("reference", "subject"),
        "patient": ("reference to Patient", "subject"),
        "has-member": ("reference", "hasMember"),
        "component-value-quantity": ("quantity", "component.valueQuantity"),
        "combo-code": ("token", "code|component.code"),
        "code-value-quantity": ("composite", ".code$value-quantity"),
        "code-value-string": ("composite", ".code$value-string"),
        "component-code-value-quantity": ("composite", "component.code$value-quantity"),
        "combo-code-value-quantity": ("composite", "|component.code$value-quantity"),
    },
    "RiskAssessment": {
        "probability": ("number", "prediction.probabilityDecimal|prediction.probabilityRange"),
        "subject": ("reference", "subject"),
        "date": ("date", "occurrenceDateTime|occurrencePeriod"),
    },
    "ValueSet": {"url": ("uri", "url"), "version": ("code", "version"), "name": ("string", "name")},
}
OF_ALL = {
    "_id": ("code", "id"),
    "_lastUpdated": ("date", "meta.lastUpdated"),
    "_tag": ("token", "meta.tag"),
    "_security": ("token", "meta.security"),
    "_profile": ("uri", "meta.profile"),
    "_source": ("uri", "meta.source"),
}
TARGETS = {
    "general-practitioner": ("Practitioner", "Organization", "PractitionerRole"),
    "organization": ("Organization",),
    "partof": ("Organization",),
    "subject": ("Patient", "Group", "Device", "Location"),
    "patient": ("Patient",),
    "has-member": ("Observation", "MolecularSequence", "QuestionnaireResponse"),
}


@dataclass(frozen=True)
class World:
    """Every resource there is, by Type/id, the time, and the server's address."""

    resources: dict[str, Json]
    now: datetime
    base: str


def search(world: World, types: tuple[str, ...], pairs: list[tuple[str, str]]) -> set[str]:
    """Type/id of each resource of one of the types that fulfils all of the pairs."""
    found = [(name, r) for name, r in world.resources.items() if r["resourceType"] in types]
    return {name for name, r in found if all(matches(world, r, n, hidden(v)) for n, v in pairs)}


def meaning(resource_type: str, code: str) -> tuple[str, str]:
    return OF_ALL.get(code) or PARAMETERS[resource_type][code]


def matches(world: World, resource: Json, name: str, value: str) -> bool:
    """Whether the resource fulfils `name=value`."""
    if name.startswith("_has:"):
        _, kind, reference, rest = name.split(":", 3)
        here = f"{resource['resourceType']}/{resource['id']}"
        others = [o for o in world.resources.values() if o["resourceType"] == kind]
        return any(here in targets(o, reference) and matches(world, o, rest, value) for o in others)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    if dot:
        return any(follows(world, target, modifier, rest, value) for target in targets(resource, code))
    kind, path = meaning(resource["resourceType"], code)
    if modifier == "missing":
        return (not values(resource, path, kind)) == (value == "true")
    wanted = value.split(",")
    if modifier == "identifier":
        kind = "reference"  # whom an identifier means is not known, so nobody is left out
    if kind == "composite":
        return any(composite(world, resource, path, v) for v in wanted)
    found = values(resource, path, kind)
    if modifier == "not":
        return not any(equal(world, kind, f, v, "") for f in found for v in wanted)
    return any(equal(world, kind, f, v, modifier) for f in found for v in wanted)


def follows(world: World, target: str, wanted: str, rest: str, value: str) -> bool:
    """The target is there, of the type that was named if any was, and fulfils the rest of the chain."""
    resource = world.resources.get(target)
    if resource is None or (wanted and resource["resourceType"] != wanted):
        return False
    first = re.split("[.:]", rest)[0]
    known = first in ("_has", *OF_ALL, *PARAMETERS[resource["resourceType"]])
    return known and matches(world, resource, rest, value)


def targets(resource: Json, code: str) -> list[str]:
    kind, path = meaning(resource["resourceType"], code)
    found = values(resource, path, kind)
    return [str(f["reference"]).partition("/_history")[0] for f in found if "reference" in f]


def composite(world: World, resource: Json, rule: str, value: str) -> bool:
    """All components hold for the same element; the resource itself is such an element where its path is empty."""
    paths, _, codes = rule.partition(".")
    parts = [
        (*PARAMETERS[resource["resourceType"]][code], v)
        for code, v in zip(codes.split("$"), value.split("$"), strict=True)
    ]
    elements = [e for path in paths.split("|") for e in walk(resource, [p for p in [path] if p])]
    return any(
        all(any(equal(world, kind, f, v, "") for f in values(e, path, kind)) for kind, path, v in parts)
        for e in elements
    )


def values(resource: Json, paths: str, kind: str) -> list[Any]:
    found = [v for path in paths.split("|") for v in walk(resource, path.split("."))]
    if kind == "reference to Patient":
        return [f for f in found if re.search(r"(^|/)Patient/", str(f.get("reference", "")))]
    return found


def walk(node: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from walk(item, path)
    elif not path:
        yield node
    elif isinstance(node, dict) and path[0] in node:
        yield from walk(node[path[0]], path[1:])


def equal(world: World, kind: str, found: Any, value: str, modifier: str) -> bool:
    """Whether one element and one value agree."""
    if kind in PREFIXED:
        prefix, rest = (value[:2], value[2:]) if value[:2] in PREFIXES else ("eq", value)
        return PREFIXED[kind](world, found, prefix, rest)
    if kind.startswith("reference"):
        return agree.reference(found, value, modifier, world.base)
    if kind in ("token", "code"):
        return agree.token(found, value, modifier)
    if kind == "uri":
        return agree.uri(found, shown(value), modifier)
    return agree.string(found, shown(value), modifier, kind == "family")


PREFIXED: dict[str, Callable[[World, Any, str, str], bool]] = {
    "date": lambda world, found, prefix, rest: agree.date(
        world.now, agree.element_span(found), prefix, agree.span(rest)
    ),
    "number": lambda world, found, prefix, rest: agree.number(agree.bounds(found), prefix, rest, agree.ONE),
    "quantity": lambda world, found, prefix, rest: agree.quantity(found, prefix, rest),
}


def sort_key(resource: Json, code: str, *, descending: bool) -> Any:
    """What the resource is sorted by: its first value in that order; None where it has none."""
    kind, path = meaning(resource["resourceType"], code)
    keys = [key for value in values(resource, path, kind) for key in sort_keys(kind, value)]
    return (max if descending else min)(keys) if keys else None


def sort_keys(kind: str, value: Any) -> list[Any]:
    if kind == "date":
        return [agree.element_span(value)[0]]
    if kind in ("string", "family"):
        return sorted(agree.readings(value))
    if kind == "number":
        return [low for low in agree.bounds(value)[:1] if low.is_finite()]
    return [value] if kind == "uri" else [code for _, code in agree.codings(value) if code]

"""A resource -> its index rows. Pure: texts and (type, id) pairs; the store turns them into numbers.

Each parameter is tried only where the resource has the member that its expression starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fhir_server.search.parameters import Parameter, Registry
from fhir_server.search.types import composite, date, quantity, reference, string, token, uri

Row = tuple[Any, ...]
IndexRows = dict[str, set[Row]]
"""Table -> rows (param, then the columns of the type's `rows`); a set, since identical rows say nothing more."""

ROWS: dict[str, Callable[[Any], Iterator[Row]]] = {
    "token": token.rows,
    "reference": reference.rows,
    "date": date.rows,
    "string": string.rows,
    "uri": uri.rows,
    "number": quantity.rows,
    "quantity": quantity.rows,
}


@dataclass(slots=True)
class Indexer:
    """The compiled parameters of each resource type, by the member that they start from."""

    registry: Registry
    plans: dict[str, dict[str, list[Parameter]]] = field(default_factory=dict)

    def rows(self, resource: dict[str, Any]) -> IndexRows:
        """All index rows of the resource."""
        found: IndexRows = {}
        for parameter in self._starting(resource):
            _WRITERS.get(parameter.type, _plain)(parameter, resource, found)
        return found

    def _starting(self, resource: dict[str, Any]) -> list[Parameter]:
        """The parameters that can find something in this resource, each once."""
        plan = self._plan(str(resource["resourceType"]))
        found: dict[int, Parameter] = {}
        for key in resource:
            for parameter in plan.get(key, ()):
                found[parameter.id] = parameter
        return list(found.values()) + plan.get("", [])

    def _plan(self, resource_type: str) -> dict[str, list[Parameter]]:
        plan = self.plans.get(resource_type)
        if plan is None:
            plan = self.plans[resource_type] = _plan(self.registry.indexed(resource_type), resource_type)
        return plan


def _plan(parameters: list[Parameter], resource_type: str) -> dict[str, list[Parameter]]:
    from fhir_server.r4.definitions import elements

    plan: dict[str, list[Parameter]] = {}
    members = list(elements(resource_type))
    for parameter in parameters:
        stems = parameter.extract.keys if parameter.extract else frozenset()
        for key in _spellings(stems, members) or [""]:
            plan.setdefault(key, []).append(parameter)
    return plan


def _spellings(stems: frozenset[str], members: list[str]) -> list[str]:
    """A choice element's stem stands for all of its spellings: `value` for `valueQuantity` and its like."""
    spelled = {
        m for stem in stems for m in members if m == stem or (m.startswith(stem) and m[len(stem)].isupper())
    }
    return sorted(spelled | stems)


def _values(parameter: Parameter, resource: dict[str, Any]) -> list[Any]:
    return parameter.extract.run(resource) if parameter.extract else []


def _plain(parameter: Parameter, resource: dict[str, Any], found: IndexRows) -> None:
    make = ROWS[parameter.type]
    table = parameter.table
    for value in _values(parameter, resource):
        for row in make(value):
            found.setdefault(table, set()).add((parameter.id, *row))


def _string(parameter: Parameter, resource: dict[str, Any], found: IndexRows) -> None:
    """The parts of a family name stand under the parameter's negative number, so that they do not count in a sort."""
    rows = found.setdefault("string_index", set())
    for value in _values(parameter, resource):
        rows.update((parameter.id, *row) for row in string.rows(value))
        if parameter.code == "family" or (parameter.code == "name" and isinstance(value, dict)):
            rows.update((-parameter.id, *row) for row in string.part_rows(value))


def _token(parameter: Parameter, resource: dict[str, Any], found: IndexRows) -> None:
    rows = found.setdefault("token_index", set())
    for value in _values(parameter, resource):
        for row in token.rows(value):
            rows.add((parameter.id, *row))
        for row in token.typed_rows(value):
            rows.add((-parameter.id, *row))


def _reference(parameter: Parameter, resource: dict[str, Any], found: IndexRows) -> None:
    """A reference's identifier is a token under the parameter's negative number: `:identifier` asks for it."""
    for value in _values(parameter, resource) if parameter.base != "Bundle" else _led(parameter, resource):
        for row in reference.rows(value):
            found.setdefault("reference_index", set()).add((parameter.id, *row))
        if isinstance(value, dict) and isinstance(value.get("identifier"), dict):
            for identifier in token.rows(value["identifier"]):
                found.setdefault("token_index", set()).add((-parameter.id, *identifier))


def leading(resource: Mapping[str, Any]) -> dict[str, Any] | None:
    """The Composition of a document, or the MessageHeader of a message: the first resource of such a Bundle, where it has an id."""
    wanted = _LEADING.get(resource.get("type", "")) if resource["resourceType"] == "Bundle" else None
    entries = resource.get("entry")
    first = entries[0].get("resource") if wanted and isinstance(entries, list) and entries else None
    is_it = (
        isinstance(first, dict) and first.get("resourceType") == wanted and isinstance(first.get("id"), str)
    )
    return first if is_it else None


_LEADING = {"document": "Composition", "message": "MessageHeader"}


def _led(parameter: Parameter, bundle: dict[str, Any]) -> list[dict[str, str]]:
    """A Bundle's reference parameters lead into the Bundle. https://hl7.org/fhir/R4/bundle.html#search"""
    first = leading(bundle)
    is_meant = first is not None and first["resourceType"] in parameter.targets
    return [{"reference": f"#{first['id']}"}] if first and is_meant else []


def _composite(parameter: Parameter, resource: dict[str, Any], found: IndexRows) -> None:
    rows = found.setdefault("composite_index", set())
    for element in _values(parameter, resource):
        for columns in composite.rows(element, parameter.components, resource):
            rows.add((parameter.id, *map(columns.get, composite.STORED)))


def _position(parameter: Parameter, resource: dict[str, Any], found: IndexRows) -> None:
    """`near` is the one special parameter with rows: latitude and longitude."""
    for place in _values(parameter, resource) if parameter.code == "near" else ():
        if isinstance(place, dict) and "latitude" in place and "longitude" in place:
            columns = {"c1_lo": Decimal(place["latitude"]), "c2_lo": Decimal(place["longitude"])}
            found.setdefault("composite_index", set()).add(
                (parameter.id, *map(columns.get, composite.STORED))
            )


_WRITERS: dict[str, Callable[[Parameter, dict[str, Any], IndexRows], None]] = {
    "token": _token,
    "string": _string,
    "reference": _reference,
    "composite": _composite,
    "special": _position,
}

"""The search parameters that this server knows: R4's own, US Core's, and those that users add.

A parameter whose expression is only another one's narrowed (`patient` = `subject` where it is a Patient) or a union of others
(`combo-code` = `code` or `component-code`) has no index rows of its own: it is searched through theirs.
https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from fhir_server.r4 import definitions
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.fhirpath import ExpressionError, Extractor, branches, compile_expression
from fhir_server.search.types.composite import Component
from fhir_server.search.us_core import US_CORE

TABLES: dict[str, str] = {
    "token": "token_index",
    "reference": "reference_index",
    "date": "date_index",
    "string": "string_index",
    "uri": "uri_index",
    "number": "quantity_index",
    "quantity": "quantity_index",
    "composite": "composite_index",
    "special": "composite_index",
}
BUILT_IN = frozenset(
    [
        "_id",
        "_lastUpdated",
        "_text",
        "_content",
        "_list",
        "_has",
        "_type",
        "_query",
        "_filter",
        "_in",
    ]
)
"""Parameters that have no index rows: they are answered from the resource table, or by a rule of their own."""

_SWAPPED = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship"
"""`relatesto` (a reference) stands beside `code`, and `relation` (a code) beside `target`. https://hl7.org/fhir/R4/documentreference.html#search"""

_TO_EXTENSION = re.compile(r"extension\('[^']*'\)$")
_NARROWED = re.compile(r"^(?P<path>[\w.]+)\.where\(resolve\(\) is (?P<type>\w+)\)$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of one resource type. `stored`: whose index rows answer it; `narrowed`: the only target type it means.

    `is_ready`: every stored resource has been indexed by it, so that it may answer searches.
    """

    id: int
    base: str
    code: str
    type: str
    expression: str
    url: str = ""
    targets: tuple[str, ...] = ()
    stored: tuple[int, ...] = ()
    narrowed: str = ""
    extract: Extractor | None = None
    components: tuple[Component, ...] = ()
    is_ready: bool = True
    config: tuple[tuple[str, str], ...] = ()

    @property
    def table(self) -> str:
        """The index table of its rows."""
        return TABLES[self.type]

    @property
    def is_ranking(self) -> bool:
        """Whether it orders what it finds: of R4's special parameters none does."""
        return self.type == "special" and self.code != "near"


@dataclass(slots=True)
class Registry:
    """Parameters by resource type and code; `unsupported` names those whose expression this server cannot compile.

    `edition` tells which state of the stored parameters it was made of.
    """

    by_type: dict[str, dict[str, Parameter]] = field(default_factory=dict)
    by_url: dict[str, list[definitions.SearchParameter]] = field(default_factory=dict)
    unsupported: dict[str, str] = field(default_factory=dict)
    edition: int = 0

    def get(self, resource_type: str, code: str) -> Parameter | None:
        """The parameter, or None."""
        return self.by_type.get(resource_type, {}).get(code)

    def known(self, resource_type: str) -> list[str]:
        """Codes of the type's parameters, in order."""
        return sorted(self.by_type.get(resource_type, {}))

    def indexed(self, resource_type: str) -> list[Parameter]:
        """The parameters that write index rows."""
        return [p for p in self.by_type.get(resource_type, {}).values() if p.stored == (p.id,) and p.extract]


def build(
    added: Iterable[definitions.SearchParameter] = (), pending: Collection[int] = (), edition: int = 0
) -> Registry:
    """R4's parameters, US Core's and the added ones; those whose rows are still `pending` are known, but not ready."""
    registry = Registry(edition=edition)
    every = [*definitions.search_parameters(), *US_CORE, *added]
    for row in every:
        registry.by_url.setdefault(row.url, []).append(row)
    for row in every:
        if row.code not in BUILT_IN:
            _add(registry, row)
    for parameters in registry.by_type.values():
        _share(parameters)
        for code, found in parameters.items() if pending else ():
            if not set(pending).isdisjoint(found.stored):
                parameters[code] = replace(found, is_ready=False)
    return registry


def _add(registry: Registry, row: definitions.SearchParameter) -> None:
    try:
        parameter = _compiled(registry, row)
    except ExpressionError as error:
        registry.unsupported[f"{row.base}.{row.code}"] = str(error)
        return
    registry.by_type.setdefault(row.base, {})[row.code] = parameter


def _compiled(registry: Registry, row: definitions.SearchParameter) -> Parameter:
    if row.type not in TABLES:
        raise ExpressionError(f"type {row.type} is not one of R4's")
    if not row.expression and row.type != "special":
        raise ExpressionError("R4 does not say where its values stand")
    extract = compile_expression(_to_values(row.expression), row.base) if row.expression else None
    parts = tuple(_component(registry, *component) for component in corrected(row))
    made = Parameter(row.id, row.base, row.code, row.type, row.expression, row.url, tuple(row.targets))
    return replace(made, stored=(row.id,), extract=extract, components=parts, config=row.config)


def _to_values(expression: str) -> str:
    """Where R4 leads to an extension, what it holds is meant."""
    parts = branches(expression)
    return " | ".join(f"{p}.value" if _TO_EXTENSION.search(p) else p for p in parts)


def corrected(row: definitions.SearchParameter) -> list[tuple[str, str]]:
    """The (definition, expression) pairs of a composite; where R4.0.1 has published two expressions in each other's place, put right."""
    definitions_, expressions = [d for d, _ in row.components], [e for _, e in row.components]
    is_swapped = row.url == _SWAPPED and expressions == ["code", "target"]
    return list(zip(definitions_, expressions[::-1] if is_swapped else expressions, strict=True))


def _component(registry: Registry, definition: str, expression: str) -> Component:
    found = registry.by_url.get(definition)
    if not found:
        raise ExpressionError(f"component {definition} is not known")
    return Component(found[0].type, compile_expression(expression).within, tuple(found[0].targets))


def _share(parameters: dict[str, Parameter]) -> None:
    """Answer narrowed and united parameters through the rows of others."""
    whole = {(p.expression, p.type, _shape(p)): p for p in reversed(parameters.values()) if p.expression}
    for code, parameter in list(parameters.items()):
        narrowed = _NARROWED.match(parameter.expression)
        base = whole.get((narrowed["path"], "reference", ())) if narrowed else None
        if narrowed and base and parameter.type == "reference":
            parameters[code] = replace(parameter, stored=(base.id,), narrowed=narrowed["type"])
            continue
        parts = [
            whole.get((part, parameter.type, _shape(parameter))) for part in branches(parameter.expression)
        ]
        if len(parts) > 1 and all(parts):
            parameters[code] = replace(parameter, stored=tuple(p.id for p in parts if p))


def _shape(parameter: Parameter) -> tuple[object, ...]:
    """Composites are the same only where their components are; types tell them apart well enough inside one element."""
    return tuple(component.type for component in parameter.components)


CONTAINED = 1 << 60
"""Set in the rid of a contained resource."""


def contained_range(resource_type: str) -> tuple[int, int]:
    """The rids [lo, hi) of contained resources of the type; of any type where none is given."""
    if not resource_type:
        return CONTAINED, CONTAINED << 1
    lo, hi = type_range(resource_type)
    return lo | CONTAINED, hi | CONTAINED


def type_range(resource_type: str) -> tuple[int, int]:
    """The rids [lo, hi) of a resource type."""
    code = TYPE_CODE[resource_type]
    return code << 40, (code + 1) << 40

"""Search parameter type `composite`.

Values joined by `$`; all of them hold for the same element. An index row holds one tuple of components side by side: the columns of
a component's type stand behind its number (`c1_code`, `c2_lo`). https://hl7.org/fhir/R4/search.html#composite
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from fhir_server.search.types import date, number, quantity, reference, string, token, uri
from fhir_server.search.types.asked import Asked, split
from fhir_server.sql import Fragment, all_of

Extract = Callable[[Any, Any], list[Any]]
"""(element, its resource) -> values."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "token": ("system", "code", "display"),
    "reference": ("target", "version", "url"),
    "date": ("from", "to"),
    "number": ("lo", "hi"),
    "quantity": ("system", "code", "unit", "lo", "hi", "canonical_lo", "canonical_hi", "canonical_unit"),
    "string": ("value", "exact"),
    "uri": ("value",),
}
ROWS: dict[str, Callable[[Any], Iterator[tuple[Any, ...]]]] = {
    "token": token.rows,
    "reference": reference.rows,
    "date": date.rows,
    "number": number.rows,
    "quantity": quantity.rows,
    "string": string.rows,
    "uri": uri.rows,
}
WHERE: dict[str, Callable[[Asked], Fragment]] = {
    "token": token.where,
    "reference": reference.where,
    "date": date.where,
    "number": number.where,
    "quantity": quantity.where,
    "string": string.where,
    "uri": uri.where,
}
STORED = (
    *("c1_system", "c1_code", "c1_target", "c1_url", "c1_lo", "c1_hi"),
    *("c2_system", "c2_code", "c2_target", "c2_url", "c2_lo", "c2_hi"),
    *(
        "c2_unit",
        "c2_canonical_unit",
        "c2_canonical_lo",
        "c2_canonical_hi",
        "c2_from",
        "c2_to",
        "c2_value",
        "c2_exact",
    ),
    *("c3_lo", "c3_hi"),
)
"""The columns of composite_index, behind rid and param; other columns of a component (a token's display) are not stored."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component: its type, the code of the parameter that it stands for, and how to find it inside the composite's element."""

    type: str
    extract: Extract
    types: tuple[str, ...] = ()


def rows(element: Any, components: Sequence[Component], resource: Any) -> Iterator[dict[str, Any]]:
    """Each combination of the components' rows; none where a component has no value."""
    found = [
        [row for value in c.extract(element, resource) for row in ROWS[c.type](value)] for c in components
    ]
    for combination in product(*found):
        columns: dict[str, Any] = {}
        for place, (component, row) in enumerate(zip(components, combination, strict=True), 1):
            columns |= {
                f"c{place}_{name}": value for name, value in zip(COLUMNS[component.type], row, strict=True)
            }
        yield columns


def where(asked: Asked, components: Sequence[Component]) -> Fragment:
    """Every component's own condition, on its columns."""
    texts = split(asked.text, "$")
    if len(texts) != len(components):
        raise asked.refuse(f"{len(components)} values joined by $")
    return all_of(
        WHERE[component.type](replace(asked, text=text, component=f"c{place}_", types=component.types))
        for place, (component, text) in enumerate(zip(components, texts, strict=True), 1)
    )


MODIFIERS: tuple[str, ...] = ()

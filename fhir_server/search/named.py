"""Named queries: searches that have a name, `Condition?_query=current-problems&patient=1`, defined by an OperationDefinition of kind query.

R4 leaves it to servers which ones there are; ours are the current lists (search/current.py), so both ways of asking share one meaning.
https://hl7.org/fhir/R4/search.html#query
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.current import CURRENT, Pair
from fhir_server.search.query import AllOf, Condition


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """What `_query` calls it, the type that it searches, and the pairs that it stands for."""

    name: str
    type: str
    pairs: tuple[Pair, ...]

    @property
    def id(self) -> str:
        """Logical id of its OperationDefinition."""
        return f"query-{self.type}-{self.name}"

    def definition(self, base: str) -> dict[str, Any]:
        """Its OperationDefinition."""
        said = "&".join(f"{name}={value}" for name, value in self.pairs)
        return {
            "resourceType": "OperationDefinition",
            "id": self.id,
            "url": f"{base}/OperationDefinition/{self.id}",
            "name": "".join(part.capitalize() for part in self.name.split("-")) + self.type,
            "status": "active",
            "kind": "query",
            "description": f"{self.type}?{said}, narrowed by any other search parameter.",
            "affectsState": False,
            "code": self.name,
            "resource": [self.type],
            "system": False,
            "type": True,
            "instance": False,
        }


QUERIES: dict[tuple[str, str], NamedQuery] = {
    (name.removeprefix("$"), kind): NamedQuery(name.removeprefix("$"), kind, pairs)
    for (name, kind), pairs in CURRENT.items()
}
"""By name and resource type."""


def named(types: Sequence[str], name: str, make: Callable[[str, str], Condition]) -> Condition:
    """The query's condition; `make` turns name and value into one. Raises BAD_PARAMETER."""
    found = QUERIES.get((name, types[0])) if len(types) == 1 else None
    if found is None:
        known = ", ".join(f"{kind}?_query={code}" for code, kind in QUERIES)
        raise FhirError(Problem.BAD_PARAMETER, f"_query: of the named queries there are {known}.")
    return AllOf(tuple(make(*pair) for pair in found.pairs))

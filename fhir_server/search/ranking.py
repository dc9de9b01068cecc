"""Special parameters that another layer carries out: they find resources by how well they fit a text, and order them by that.

The AI layer's `_semantic` comes in here, and SearchParameters of users that are to be searched by meaning. Without such a layer there
are none. https://hl7.org/fhir/R4/search.html#score
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fhir_server.r4.definitions import SearchParameter
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.sql import Fragment

Config = tuple[tuple[str, str], ...]
"""What a SearchParameter says beyond R4, as names and texts."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """`scores`: SELECT of rid and score (0..1, float8), each rid once; `allowed`: the condition on resource `r` under which it counts."""

    scores: Fragment
    allowed: Fragment


class Ranker(Protocol):
    """`parameters`: those that are there without anybody's SearchParameter."""

    @property
    def parameters(self) -> tuple[SearchParameter, ...]: ...
    def config(self, resource: Mapping[str, Any]) -> Config: ...
    def rank(self, context: Any, parameter: Any, text: str) -> Ranking: ...


class NoRanker:
    """A server without such a layer."""

    parameters: tuple[SearchParameter, ...] = ()

    def config(self, resource: Mapping[str, Any]) -> Config:
        """Raises INVALID: a special parameter means what nobody here knows."""
        raise unknown_special()

    def rank(self, context: Any, parameter: Any, text: str) -> Ranking:
        """Raises NOT_SUPPORTED."""
        raise FhirError(Problem.NOT_SUPPORTED, "This special parameter is not carried out here.")


def unknown_special() -> FhirError:
    """The refusal of a SearchParameter."""
    place = "SearchParameter.type"
    text = f"{place}: a special parameter is carried out where this server knows its meaning only."
    return FhirError(Problem.INVALID, text, place)

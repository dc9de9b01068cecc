"""The restriction of a scope (`?category=laboratory`) as a condition on rows.

Only parameters of the resource itself restrict; a chain, a list, an include or an unknown name is refused, and the scope then grants
nothing. https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qsl

from fhir_server.access.decide import CompileQuery
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.compile import Compiler, Place
from fhir_server.search.parameters import Registry
from fhir_server.search.parse import parse
from fhir_server.search.query import Match, Query
from fhir_server.sql import FALSE, Fragment, all_of


class _Closed:
    """Lets nothing through: a restriction looks at the row itself only."""

    def on(self, alias: str) -> Fragment:
        return FALSE


def restriction_compiler(registry: Callable[[], Registry], clock: Callable[[], datetime]) -> CompileQuery:
    """What decide() needs to carry restricted scopes."""

    def compile_query(resource_type: str, query: str, alias: str) -> Fragment:
        matches = _matches(parse(registry(), resource_type, _pairs(query)))
        compiler, place = Compiler(_Closed(), clock()), Place(f"{alias}.rid", alias, (resource_type,))
        return all_of(compiler.compile(match, place) for match in matches)

    return compile_query


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise FhirError(Problem.BAD_PARAMETER, "The restriction of a scope is name=value.") from None


def _matches(query: Query) -> list[Match]:
    """The conditions, where each pair made one, and each looks at the row's own index."""
    found = [c for c in query.condition.conditions if isinstance(c, Match)]
    if (
        not found
        or len(found) != len(query.condition.conditions)
        or query.includes
        or query.sort
        or query.issues
    ):
        raise FhirError(
            Problem.NOT_SUPPORTED, "The restriction of a scope has parameters of its resource type only."
        )
    if len(query.understood) != len(found):
        raise FhirError(Problem.NOT_SUPPORTED, "The restriction of a scope has search conditions only.")
    return found

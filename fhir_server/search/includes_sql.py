"""The part of a page's statement that fetches what its matches include.

One walk over reference_index: a first step for every include, further steps for those with `:iterate`; what is found passes the
Access like anything else. https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.search.compile import Compiler
from fhir_server.search.parameters import type_range
from fhir_server.search.query import Include, Query
from fhir_server.sql import Fragment

MOST_INCLUDED = 5000
"""Included resources in one page; a wider include has to be asked for in smaller pages."""


def included(query: Query, compiler: Compiler) -> list[Fragment]:
    """No or one SELECT of mode `include`, over the CTE `page`."""
    if not query.includes:
        return []
    matches = f"SELECT rid FROM page WHERE place <= {query.count}"
    base = [matches, *(_edges(i, f"({matches}) AS w") for i in query.includes if not i.iterate)]
    steps = [_edges(i, "(SELECT walk.rid) AS w") for i in query.includes if i.iterate]
    first = " UNION ".join(base)
    if steps:
        lateral = " UNION ALL ".join(steps)
        walk = f"({first}) UNION SELECT e.rid FROM walk CROSS JOIN LATERAL ({lateral}) AS e"
        found = f"(WITH RECURSIVE walk (rid) AS ({walk}) SELECT rid FROM walk)"
    else:
        found = f"({first})"
    access = compiler.access.on("r")
    text = (
        "SELECT 'include' AS mode, r.rid, r.type, r.id, r.version, r.last_updated, r.body, NULL::text[] AS keys, 1000000 + r.rid AS place"
        f" FROM resource r WHERE r.rid IN {found} AND r.rid NOT IN ({matches}) AND r.body IS NOT NULL AND NOT r.draft"
        f" AND ({access.text}) LIMIT {MOST_INCLUDED}"
    )
    return [Fragment(f"SELECT * FROM ({text}) AS includes", access.values)]


def _edges(include: Include, start: str) -> str:
    """SELECT of the rids one step away; the numbers and ranges are our own."""
    direction: Callable[[Include, str], str] = _backward if include.reverse else _forward
    return direction(include, start)


def _forward(include: Include, start: str) -> str:
    target = f" AND {_range('i.target', include.target)}" if include.target else ""
    return f"SELECT i.target AS rid FROM {start} JOIN reference_index i ON i.rid = w.rid WHERE i.target IS NOT NULL AND {_params(include)}{target}"


def _backward(include: Include, start: str) -> str:
    target = f" AND {_range('i.target', include.target)}" if include.target else ""
    return f"SELECT i.rid FROM {start} JOIN reference_index i ON i.target = w.rid WHERE {_params(include)}{target}"


def _params(include: Include) -> str:
    return f"i.param IN ({', '.join(map(str, include.parameters))})" if include.parameters else "FALSE"


def _range(column: str, resource_type: str) -> str:
    lo, hi = type_range(resource_type)
    return f"{column} >= {lo} AND {column} < {hi}"

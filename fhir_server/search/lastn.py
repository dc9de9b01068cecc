"""The statement of Observation/$lastn: the newest of each code, where codes that stand together in one observation are the same.

Two codings belong together when an observation bears both, and whatever belongs to the same third one belongs together too; the walk is
over the distinct codings of what was found, of which a record has some hundred. Observations without a coding come out all: their
groups are their texts, which the index does not keep letter by letter. https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from __future__ import annotations

from fhir_server.search.compile import Compiler
from fhir_server.search.includes_sql import included
from fhir_server.search.order import COLUMNS
from fhir_server.search.page import matching
from fhir_server.search.parameters import Registry
from fhir_server.search.query import Query
from fhir_server.sql import Fragment

_STATEMENT = """
WITH RECURSIVE found AS MATERIALIZED (SELECT r.rid,
    (SELECT max(d.lo) FROM date_index d WHERE d.rid = r.rid AND d.param IN ({dates})) AS at FROM resource r WHERE {where}),
coded AS MATERIALIZED (SELECT DISTINCT f.rid, i.system || '|' || i.code AS code FROM found f
    JOIN token_index i ON i.rid = f.rid AND i.param IN ({codes}) AND i.code <> ''),
edge AS MATERIALIZED (SELECT DISTINCT a.code AS one, b.code AS other FROM coded a JOIN coded b ON b.rid = a.rid),
reach (one, other) AS (SELECT one, other FROM edge UNION SELECT w.one, e.other FROM reach w JOIN edge e ON e.one = w.other),
named AS (SELECT one AS code, min(other) AS name FROM reach GROUP BY one),
grouped AS (SELECT f.rid, f.at, min(n.name) AS name FROM found f LEFT JOIN coded c ON c.rid = f.rid
    LEFT JOIN named n ON n.code = c.code GROUP BY f.rid, f.at),
ranked AS (SELECT rid, at, name, rank() OVER (PARTITION BY name ORDER BY at DESC NULLS LAST) AS number FROM grouped),
page AS MATERIALIZED (SELECT {columns}, ARRAY[k.name, k.at::text] AS keys,
    row_number() OVER (ORDER BY k.at DESC NULLS LAST, r.rid DESC) AS place
    FROM ranked k JOIN resource r ON r.rid = k.rid WHERE k.number <= {most} OR k.name IS NULL)
SELECT * FROM ({parts}) AS every ORDER BY place
"""


def statement(query: Query, compiler: Compiler, registry: Registry, most: int) -> Fragment:
    """Rows as those of a page; `keys` are the group (NULL where there is no coding) and the time."""
    where = matching(query, compiler)
    parts = [
        Fragment(f"SELECT 'match' AS mode, {COLUMNS}, keys, place FROM page"),
        *included(query, compiler),
    ]
    text = _STATEMENT.format(
        dates=_numbers(registry, "date"),
        codes=_numbers(registry, "code"),
        where=where.text,
        columns=", ".join(f"r.{name}" for name in COLUMNS.split(", ")),
        most=int(most),
        parts=" UNION ALL ".join(part.text for part in parts),
    )
    return Fragment(text, (*where.values, *(v for part in parts for v in part.values)), where.reason)


def _numbers(registry: Registry, code: str) -> str:
    found = registry.get("Observation", code)
    return ", ".join(str(int(number)) for number in found.stored) if found else "NULL"

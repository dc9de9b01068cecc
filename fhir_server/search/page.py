"""Query + Access -> the one statement of a page.

Rows come as (mode, rid, type, id, version, last_updated, body, keys): matches first in their order, then what they include,
and one row of mode `total` where a count is asked for. https://hl7.org/fhir/R4/search.html#paging
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.search import containment, order
from fhir_server.search.compile import Compiler, Place
from fhir_server.search.cursor import Cursor
from fhir_server.search.includes_sql import included
from fhir_server.search.parameters import type_range
from fhir_server.search.query import Query, Updated
from fhir_server.sql import TRUE, Fragment, all_of

COUNTED = 1000
"""Matches that `_total=estimate` still counts one by one; above that the planner's guess has to do."""


def statement(query: Query, compiler: Compiler, at: Cursor | None = None) -> Fragment:
    """The statement of the page at the cursor (of the first one where there is none)."""
    where, source = matching(query, compiler), containment.source(query, compiler)
    most = COUNTED + 1 if query.total == "estimate" else None
    if query.summary == "count" or query.count == 0:
        return total(source, where, most)
    query = replace(query, count=size(query, at))
    page = order.page(query, source, where, at)
    parts = [Fragment(f"SELECT 'match' AS mode, {order.COLUMNS}, keys, place FROM page")]
    parts += included(query, compiler)
    if query.total != "none" and at is None:
        parts.append(total(source, where, most))
    union = " UNION ALL ".join(part.text for part in parts)
    values = tuple(value for part in parts for value in part.values)
    text = f"WITH page AS MATERIALIZED ({page.text}) SELECT * FROM ({union}) AS every ORDER BY place"
    return Fragment(text, (*page.values, *values), where.reason)


def size(query: Query, at: Cursor | None) -> int:
    """Matches of this page: `_count`, but no more than `_maxresults` leaves."""
    seen = at.seen if at and not at.is_backward else 0
    return query.count if query.most is None else max(0, min(query.count, query.most - seen))


def matching(query: Query, compiler: Compiler) -> Fragment:
    """The condition on resource `r`: type, existence, Access, what was asked; unsigned drafts stay out unless asked for."""
    types = (query.type,) if query.type else ()
    asked = compiler.compile(query.condition, Place("r.rid", "r", types))
    if query.contained != "false":
        return containment.matching(query, compiler, typed("r", query.type) & asked)
    kind = of_type("r", query) if _is_by_own(query) else typed("r", query.type)
    parts = [kind, containment.readable(query, compiler, "r"), asked]
    return all_of(part for part in parts if part.text != "TRUE")


def typed(alias: str, resource_type: str) -> Fragment:
    """The resource is of the type."""
    if not resource_type:
        return TRUE
    lo, hi = type_range(resource_type)
    return Fragment(f"{alias}.rid >= {lo} AND {alias}.rid < {hi}")


def of_type(alias: str, query: Query) -> Fragment:
    """As `typed`, in the words of the indexes on the time and on the id of resources."""
    return Fragment(f"{alias}.type = {TYPE_CODE[query.type]}") if query.type else TRUE


def depends_on_value(query: Query) -> bool:
    """Whether a plan for any value would do badly: sorted, and asked for one thing, it matters how common that thing is. Where it is
    common, the index of the order is walked until the page is full; where it is rare, what matches is sorted."""
    return bool(query.sort) and len(query.condition.conditions) == 1


def _is_by_own(query: Query) -> bool:
    """Whether it is sorted by a column of the resource, or asks for when it was updated."""
    own = [sort.code for sort in query.sort[:1] if sort.parameter is None]
    return own in (["_lastUpdated"], ["_id"]) or any(
        isinstance(c, Updated) for c in query.condition.conditions
    )


def total(source: Fragment, where: Fragment, most: int | None = None) -> Fragment:
    """How many there are; of more than `most` it is `most`."""
    empty = "NULL::smallint, NULL::text, NULL::integer, NULL::timestamptz, NULL::bytea, NULL::text[], 1000000000::bigint"
    found = f"FROM {source.text} r WHERE {where.text}"
    counted = found if most is None else f"FROM (SELECT {found} LIMIT {most}) AS counted"
    return Fragment(
        f"SELECT 'total' AS mode, count(*) AS rid, {empty} {counted}", (*source.values, *where.values)
    )


def guess(query: Query, compiler: Compiler) -> Fragment:
    """A statement whose plan tells how many rows the planner expects; it reads nothing."""
    where, source = matching(query, compiler), containment.source(query, compiler)
    text = f"EXPLAIN (FORMAT JSON) SELECT FROM {source.text} r WHERE {where.text}"
    return Fragment(text, (*source.values, *where.values))

"""Query + Access -> the one statement of a page.

Rows come as (mode, rid, type, id, version, last_updated, body, keys): matches first in their order, then what they include,
and one row of mode `total` where a count is asked for. https://hl7.org/fhir/R4/search.html#paging
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.search import cursor
from fhir_server.search.compile import Compiler, Place
from fhir_server.search.includes_sql import included
from fhir_server.search.parameters import type_range
from fhir_server.search.query import Query, Sort
from fhir_server.sql import Fragment, all_of

COLUMNS = "rid, type, id, version, last_updated, body"
_KEY_COLUMN = {
    "date": "lo",
    "number": "lo",
    "quantity": "lo",
    "string": "value",
    "uri": "value",
    "token": "code",
    "reference": "target",
}
_KEY_CAST = {"date": "timestamptz", "number": "numeric", "quantity": "numeric", "reference": "bigint"}


@dataclass(frozen=True, slots=True)
class _Key:
    """A sort key in SQL: its expression, the join that it needs, its type, and its direction."""

    text: str
    join: str
    cast: str
    descending: bool


def statement(query: Query, compiler: Compiler, key: bytes) -> Fragment:
    """The statement; `key` is what cursors are signed with."""
    where = matching(query, compiler)
    position = cursor.read(query.cursor, key) if query.cursor else None
    if query.summary == "count" or query.count == 0:
        return _total(where)
    page = _page(query, where, position)
    parts = [Fragment(f"SELECT 'match' AS mode, {COLUMNS}, keys, place FROM page")]
    parts += included(query, compiler)
    if query.total != "none" and position is None:
        parts.append(_total(where))
    union = " UNION ALL ".join(part.text for part in parts)
    values = tuple(value for part in parts for value in part.values)
    text = f"WITH page AS MATERIALIZED ({page.text}) SELECT * FROM ({union}) AS every ORDER BY place"
    return Fragment(text, (*page.values, *values), where.reason)


def matching(query: Query, compiler: Compiler) -> Fragment:
    """The condition on resource `r`: type, existence, Access, what was asked; unsigned drafts stay out unless asked for."""
    types = (query.type,) if query.type else ()
    parts = [_typed(query.type)] if query.type else []
    parts += [Fragment("r.body IS NOT NULL"), compiler.access.on("r")]
    if not query.asks_for_drafts:
        parts.append(Fragment("NOT r.draft"))
    parts.append(compiler.compile(query.condition, Place("r.rid", "r", types)))
    return all_of(part for part in parts if part.text != "TRUE")


def _typed(resource_type: str) -> Fragment:
    lo, hi = type_range(resource_type)
    return Fragment(f"r.rid >= {lo} AND r.rid < {hi}")


def _total(where: Fragment) -> Fragment:
    empty = "NULL::smallint, NULL::text, NULL::integer, NULL::timestamptz, NULL::bytea, NULL::text[], 1000000000::bigint"
    return Fragment(
        f"SELECT 'total' AS mode, count(*) AS rid, {empty} FROM resource r WHERE {where.text}", where.values
    )


def _page(query: Query, where: Fragment, position: cursor.Position | None) -> Fragment:
    keys = [_key(number, sort) for number, sort in enumerate(query.sort)]
    if len(keys) == 1 and query.sort[0].parameter is not None:
        return _by_index(query, keys[0], where, position)
    return _by_keys(query, keys, where, position)


def _by_keys(query: Query, keys: list[_Key], where: Fragment, position: cursor.Position | None) -> Fragment:
    """Any number of keys, each looked up for each match; the rid decides between equals."""
    rid_descends = bool(keys) and keys[0].descending
    order = [f"{k.text} {'DESC' if k.descending else 'ASC'} NULLS LAST" for k in keys] + [
        "r.rid DESC" if rid_descends else "r.rid"
    ]
    after = _after(keys, position, rid_descends) if position else Fragment("TRUE")
    listed = ", ".join(f"({k.text})::text" for k in keys)
    inner = where if after.text == "TRUE" else where & after
    return Fragment(
        f"SELECT {_qualified()}, ARRAY[{listed}]::text[] AS keys, row_number() OVER (ORDER BY {', '.join(order)}) AS place"
        f" FROM resource r {' '.join(k.join for k in keys)} WHERE {inner.text}"
        f" ORDER BY {', '.join(order)} LIMIT {query.count + 1}",
        inner.values,
    )


def _after(keys: list[_Key], position: cursor.Position, rid_descends: bool) -> Fragment:
    """Strictly behind the position: some key is behind it, and all before that one are equal."""
    steps, equal = [], Fragment("TRUE")
    for key, value in zip(keys, position, strict=False):
        if value is not None:
            sign = "<" if key.descending else ">"
            steps.append(
                equal & Fragment(f"({key.text} {sign} %s::{key.cast} OR {key.text} IS NULL)", (value,))
            )
        equal = equal & Fragment(f"{key.text} IS NOT DISTINCT FROM %s::{key.cast}", (value,))
    steps.append(equal & Fragment(f"r.rid {'<' if rid_descends else '>'} %s", (position[-1],)))
    texts = " OR ".join(f"({s.text})" for s in steps)
    return Fragment(f"({texts})", tuple(v for s in steps for v in s.values))


def _qualified() -> str:
    return ", ".join(f"r.{name}" for name in COLUMNS.split(", "))


def _key(number: int, sort: Sort) -> _Key:
    if sort.parameter is None:
        cast = {"_lastUpdated": "timestamptz", "_id": "text"}.get(sort.code, "bigint")
        column = {"_lastUpdated": "r.last_updated", "_id": "r.id"}.get(sort.code, "r.rid")
        return _Key(column, "", cast, sort.descending)
    kind = sort.parameter.type
    column, best = _KEY_COLUMN[kind], "max" if sort.descending else "min"
    join = (
        f"LEFT JOIN LATERAL (SELECT {best}(k.{column}) AS key FROM {sort.parameter.table} k"
        f" WHERE k.rid = r.rid AND k.param {_numbers(sort)}) s{number} ON TRUE"
    )
    return _Key(f"s{number}.key", join, _KEY_CAST.get(kind, "text"), sort.descending)


def _numbers(sort: Sort) -> str:
    stored = sort.parameter.stored if sort.parameter else ()
    return f"= {stored[0]}" if len(stored) == 1 else f"IN ({', '.join(map(str, stored))})"


def _by_index(query: Query, key: _Key, where: Fragment, position: cursor.Position | None) -> Fragment:
    """One indexed key: the planner may walk its index, or sort the matches. Resources without the value come last.

    A resource with several values stands at its best one: no row of the same resource may sort before it.
    """
    last = position[0] if position else None
    parts = []
    if position is None or last is not None:
        parts.append(_with_value(query, query.sort[0], key, where, position))
    parts.append(_without_value(query, query.sort[0], where, position if position and last is None else None))
    text = " UNION ALL ".join(f"({p.text})" for p in parts)
    values = tuple(v for p in parts for v in p.values)
    order = f"{'DESC' if key.descending else 'ASC'} NULLS LAST"
    numbered = f"row_number() OVER (ORDER BY key {order}, rid {'DESC' if key.descending else 'ASC'}) AS place"
    return Fragment(
        f"SELECT {COLUMNS}, ARRAY[key::text] AS keys, {numbered} FROM ({text} LIMIT {query.count + 1}) AS sorted",
        values,
    )


def _with_value(
    query: Query, sort: Sort, key: _Key, where: Fragment, position: cursor.Position | None
) -> Fragment:
    assert sort.parameter is not None
    column = _KEY_COLUMN[sort.parameter.type]
    before, word = (">", "DESC") if key.descending else ("<", "ASC")
    table, numbers = sort.parameter.table, _numbers(sort)
    better = (
        f"NOT EXISTS (SELECT FROM {table} b WHERE b.rid = s.rid AND b.param {numbers}"
        f" AND (b.{column} {before} s.{column} OR (b.{column} = s.{column} AND b.ctid < s.ctid)))"
    )
    inner = Fragment(f"s.param {numbers} AND s.{column} IS NOT NULL AND {better}") & where
    if position:
        sign = "<" if key.descending else ">"
        inner = inner & Fragment(
            f"(s.{column}, s.rid) {sign} (%s::{key.cast}, %s)", (position[0], position[-1])
        )
    return Fragment(
        f"SELECT {_qualified()}, s.{column} AS key FROM {table} s JOIN resource r ON r.rid = s.rid WHERE {inner.text}"
        f" ORDER BY s.{column} {word}, s.rid {word} LIMIT {query.count + 1}",
        inner.values,
    )


def _without_value(query: Query, sort: Sort, where: Fragment, position: cursor.Position | None) -> Fragment:
    assert sort.parameter is not None
    column, table = _KEY_COLUMN[sort.parameter.type], sort.parameter.table
    word = "DESC" if sort.descending else "ASC"
    none = Fragment(
        f"NOT EXISTS (SELECT FROM {table} b WHERE b.rid = r.rid AND b.param {_numbers(sort)} AND b.{column} IS NOT NULL)"
    )
    inner = none & where
    if position:
        inner = inner & Fragment(f"r.rid {'<' if sort.descending else '>'} %s", (position[-1],))
    empty = f"NULL::{_KEY_CAST.get(sort.parameter.type, 'text')}"
    return Fragment(
        f"SELECT {_qualified()}, {empty} AS key FROM resource r WHERE {inner.text} ORDER BY r.rid {word} LIMIT {query.count + 1}",
        inner.values,
    )

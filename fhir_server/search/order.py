"""`_sort` and the place of a page: the matches in their order, from a position on, forwards or backwards.

Resources without the value come last in both directions; the rid decides between equals. Going backwards is the same walk with
every sign turned round. https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.search.cursor import Cursor
from fhir_server.search.query import Query, Sort
from fhir_server.sql import Fragment

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
_OWN = {
    "_lastUpdated": ("r.last_updated", "timestamptz"),
    "_id": ("r.id", "text"),
    "_score": ("r.score", "float8"),
}
_KEY_CAST = {"date": "timestamptz", "number": "numeric", "quantity": "numeric", "reference": "bigint"}


@dataclass(frozen=True, slots=True)
class _Key:
    """A sort key in SQL: its expression, the join that it needs, its type, and its direction in this walk."""

    text: str
    join: str
    cast: str
    descending: bool

    @property
    def order(self) -> str:
        """For ORDER BY; a column of the resource itself is never NULL, and so its index is of use in both directions."""
        return f"{self.text} {'DESC' if self.descending else 'ASC'}"

    @property
    def behind(self) -> str:
        """What a value further on compares with."""
        return "<" if self.descending else ">"


def page(query: Query, source: Fragment, where: Fragment, at: Cursor | None) -> Fragment:
    """SELECT of one match more than the page holds; `place` numbers them in the direction of the walk."""
    is_backward = at is not None and at.is_backward
    keys = [
        _key(number, sort, is_backward, query.ranked is not None) for number, sort in enumerate(query.sort)
    ]
    if len(keys) == 1 and query.sort[0].parameter is not None:
        return _by_index(query, keys[0], source, where, at)
    return _by_keys(query, keys, source, where, at)


def _key(number: int, sort: Sort, is_backward: bool, is_ranked: bool) -> _Key:
    descending = sort.descending != is_backward
    if sort.parameter is None:
        column, cast = _OWN[sort.code] if sort.code != "_score" or is_ranked else ("r.rid", "bigint")
        return _Key(column, "", cast, descending)
    kind = sort.parameter.type
    column, best = _KEY_COLUMN[kind], "max" if sort.descending else "min"
    join = (
        f"LEFT JOIN LATERAL (SELECT {best}(k.{column}) AS key FROM {sort.parameter.table} k"
        f" WHERE k.rid = r.rid AND k.param {_numbers(sort)} AND {_has_value('k', column)}) s{number} ON TRUE"
    )
    return _Key(f"s{number}.key", join, _KEY_CAST.get(kind, "text"), descending)


def _numbers(sort: Sort) -> str:
    stored = sort.parameter.stored if sort.parameter else ()
    return f"= {stored[0]}" if len(stored) == 1 else f"IN ({', '.join(map(str, stored))})"


def _has_value(alias: str, column: str) -> str:
    """A concept's text stands in a row without a code; there is nothing to sort by."""
    return f"{alias}.{column} > ''" if column == "code" else f"{alias}.{column} IS NOT NULL"


def _by_keys(
    query: Query, keys: list[_Key], source: Fragment, where: Fragment, at: Cursor | None
) -> Fragment:
    """Any number of keys, each looked up for each match."""
    is_backward = at is not None and at.is_backward
    rid_descends = keys[0].descending if keys else is_backward
    nulls = "FIRST" if is_backward else "LAST"
    order = [f"{k.order} NULLS {nulls}" if k.join else k.order for k in keys]
    listed_order = ", ".join([*order, "r.rid DESC" if rid_descends else "r.rid"])
    inner = where & _behind(keys, at, rid_descends) if at else where
    listed = ", ".join(f"({k.text})::text" for k in keys)
    return Fragment(
        f"SELECT {_qualified(query)}, ARRAY[{listed}]::text[] AS keys, row_number() OVER (ORDER BY {listed_order}) AS place"
        f" FROM {source.text} r {' '.join(k.join for k in keys)} WHERE {inner.text}"
        f" ORDER BY {listed_order} LIMIT {query.count + 1}",
        (*source.values, *inner.values),
    )


def _behind(keys: list[_Key], at: Cursor, rid_descends: bool) -> Fragment:
    """Strictly further on than the position: some key is, and all before that one are equal."""
    if len(keys) == 1 and not keys[0].join:
        key = keys[0]
        return Fragment(f"({key.text}, r.rid) {key.behind} (%s::{key.cast}, %s)", (at.keys[0], at.rid))
    steps, equal = [], Fragment("TRUE")
    for key, value in zip(keys, at.keys, strict=True):
        steps += [equal & further for further in _further(key, value, at.is_backward)]
        equal = equal & Fragment(f"{key.text} IS NOT DISTINCT FROM %s::{key.cast}", (value,))
    steps.append(equal & Fragment(f"r.rid {'<' if rid_descends else '>'} %s", (at.rid,)))
    texts = " OR ".join(f"({s.text})" for s in steps)
    return Fragment(f"({texts})", tuple(v for s in steps for v in s.values))


def _further(key: _Key, value: str | None, is_backward: bool) -> list[Fragment]:
    """The key is further on than the value. Those without one stand at the end, so backwards they come first."""
    if value is None:
        return [Fragment(f"{key.text} IS NOT NULL")] if is_backward else []
    found = Fragment(f"{key.text} {key.behind} %s::{key.cast}", (value,))
    return [found if is_backward else found | Fragment(f"{key.text} IS NULL")]


def _qualified(query: Query) -> str:
    """The columns of `r`; a contained resource is named after its container."""
    names = {"id": "r.label AS id"} if query.gives_contained else {}
    return ", ".join(names.get(name, f"r.{name}") for name in COLUMNS.split(", "))


def _by_index(query: Query, key: _Key, source: Fragment, where: Fragment, at: Cursor | None) -> Fragment:
    """One indexed key: the planner may walk its index, or sort the matches.

    A resource with several values stands at its best one: no row of the same resource may sort before it.
    """
    is_backward, value = at is not None and at.is_backward, at.keys[0] if at else None
    without = _without_value(query, key, source, where, at if at and value is None else None)
    if at is None:
        parts = [_with_value(query, key, source, where, None), without]
    elif value is None:
        parts = [without, _with_value(query, key, source, where, None)] if is_backward else [without]
    else:
        parts = [_with_value(query, key, source, where, at)] + ([] if is_backward else [without])
    text = " UNION ALL ".join(f"({p.text})" for p in parts)
    word, nulls = "DESC" if key.descending else "ASC", "FIRST" if is_backward else "LAST"
    numbered = f"row_number() OVER (ORDER BY key {word} NULLS {nulls}, rid {word}) AS place"
    return Fragment(
        f"SELECT {COLUMNS}, ARRAY[key::text] AS keys, {numbered}"
        f" FROM (SELECT * FROM ({text}) AS parts LIMIT {query.count + 1}) AS sorted",
        tuple(v for p in parts for v in p.values),
    )


def _with_value(query: Query, key: _Key, source: Fragment, where: Fragment, at: Cursor | None) -> Fragment:
    sort = query.sort[0]
    assert sort.parameter is not None
    column, word = _KEY_COLUMN[sort.parameter.type], "DESC" if key.descending else "ASC"
    table, numbers, before = sort.parameter.table, _numbers(sort), ">" if sort.descending else "<"
    better = (
        f"NOT EXISTS (SELECT FROM {table} b WHERE b.rid = s.rid AND b.param {numbers}"
        f" AND {_has_value('b', column)} AND (b.{column} {before} s.{column} OR (b.{column} = s.{column} AND b.ctid < s.ctid)))"
    )
    inner = Fragment(f"s.param {numbers} AND {_has_value('s', column)} AND {better}") & where
    if at:
        inner = inner & Fragment(
            f"(s.{column}, s.rid) {key.behind} (%s::{key.cast}, %s)", (at.keys[0], at.rid)
        )
    return Fragment(
        f"SELECT {_qualified(query)}, s.{column} AS key FROM {table} s JOIN {source.text} r ON r.rid = s.rid WHERE {inner.text}"
        f" ORDER BY s.{column} {word}, s.rid {word} LIMIT {query.count + 1}",
        (*source.values, *inner.values),
    )


def _without_value(query: Query, key: _Key, source: Fragment, where: Fragment, at: Cursor | None) -> Fragment:
    sort = query.sort[0]
    assert sort.parameter is not None
    column, table = _KEY_COLUMN[sort.parameter.type], sort.parameter.table
    none = Fragment(
        f"NOT EXISTS (SELECT FROM {table} b WHERE b.rid = r.rid AND b.param {_numbers(sort)} AND {_has_value('b', column)})"
    )
    inner = none & where
    if at:
        inner = inner & Fragment(f"r.rid {key.behind} %s", (at.rid,))
    word = "DESC" if key.descending else "ASC"
    return Fragment(
        f"SELECT {_qualified(query)}, NULL::{key.cast} AS key FROM {source.text} r WHERE {inner.text}"
        f" ORDER BY r.rid {word} LIMIT {query.count + 1}",
        (*source.values, *inner.values),
    )

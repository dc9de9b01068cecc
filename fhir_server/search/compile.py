"""Condition -> SQL: each condition becomes a Fragment over the rid of the resource that it is about.

Chains and `_has` pass through the Access as well: what may not be read cannot be felt through a chain either.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any, Protocol

from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.parameters import Parameter, contained_range, type_range
from fhir_server.search.query import (
    AllOf,
    AnyOf,
    Chain,
    Condition,
    Has,
    Ids,
    InCompartment,
    InHierarchy,
    InList,
    Match,
    Missing,
    Near,
    Not,
    Ranked,
    Says,
    Types,
    Updated,
)
from fhir_server.search.ranking import NoRanker, Ranking
from fhir_server.search.types import composite, date, number, quantity, reference, string, token, uri
from fhir_server.search.types.asked import Asked, unescape
from fhir_server.sql import FALSE, Fragment, all_of, any_of

Where = Callable[[Asked], Fragment]
WHERE: dict[str, Where] = {
    "token": token.where,
    "string": string.where,
    "date": date.where,
    "number": number.where,
    "quantity": quantity.where,
    "reference": reference.where,
    "uri": uri.where,
}
CodesOf = Callable[[str, str, str], list[tuple[str, str]]]
"""(modifier, system or value set, code) -> the (system, code) pairs that it stands for."""


Rank = Callable[[Parameter, str], Ranking]
"""A ranking parameter and its text -> scores, and who may be found by them."""


class Readable(Protocol):
    """What an Access offers here: the condition under which a row of `resource` may be read."""

    def on(self, alias: str) -> Fragment: ...


def no_codes(modifier: str, system: str, code: str) -> list[tuple[str, str]]:
    """Where no terminology is at hand."""
    raise FhirError(Problem.NOT_SUPPORTED, f":{modifier} needs the terminology service.")


def no_rank(parameter: Parameter, text: str) -> Ranking:
    """Where no layer ranks."""
    return NoRanker().rank(None, parameter, text)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a condition stands: the SQL of its rid, the alias of its resource row (or nothing), and its types."""

    rid: str
    row: str = ""
    types: tuple[str, ...] = ()


@dataclass(slots=True)
class Compiler:
    """Compiles the conditions of one statement; aliases are numbered so that they never meet."""

    access: Readable
    now: datetime
    base: str = ""
    codes_of: CodesOf = no_codes
    rank: Rank = no_rank
    rankings: dict[Ranked, Ranking] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def compile(self, condition: Condition, place: Place) -> Fragment:
        """The SQL condition."""
        return _COMPILE[type(condition)](self, condition, place)

    def ranking(self, found: Ranked) -> Ranking:
        """Worked out once a statement."""
        if found not in self.rankings:
            self.rankings[found] = self.rank(found.parameter, found.text)
        return self.rankings[found]

    def alias(self, letter: str) -> str:
        """A name that no other part of the statement has."""
        return f"{letter}{next(self.numbers)}"

    def is_open(self) -> bool:
        """Whether the Access lets everything through, so that index rows alone can answer."""
        return self.access.on("r").text == "TRUE"


def _match(compiler: Compiler, found: Match, place: Place) -> Fragment:
    negated = found.modifier in ("not", "not-in")
    plain = replace(found, modifier={"not": "", "not-in": "in"}.get(found.modifier, found.modifier))
    alias = compiler.alias("i")
    test = any_of(_value(compiler, plain, value, alias) for value in plain.values)
    inside = _rows(plain.parameter, alias, plain.modifier) & test
    found_rows = _exists(place, _table(plain), alias, inside, negated)
    return _once(found_rows, alias) if plain.parameter.type == "composite" and not negated else found_rows


def _once(found: Fragment, alias: str) -> Fragment:
    """Has Postgres look for these rows first, and once: how the values of a code lie it does not know, and it would rather go through all
    resources to look at each one's."""
    before, _, select = found.text.partition(" IN (")
    text = (
        f"{before} IN (WITH {alias}_once AS MATERIALIZED ({select} SELECT {alias}_once.rid FROM {alias}_once)"
    )
    return replace(found, text=text)


def _table(found: Match) -> str:
    is_identifier = found.parameter.type == "reference" and found.modifier == "identifier"
    return "token_index" if is_identifier else found.parameter.table


def _rows(parameter: Parameter, alias: str, modifier: str = "") -> Fragment:
    """The index rows of the parameter; its numbers are our own, and stand in the text so that the planner sees them."""
    sign = -1 if modifier == "of-type" or (modifier == "identifier" and parameter.type == "reference") else 1
    wanted = [sign * int(i) for i in parameter.stored]
    if parameter.type == "string" and not modifier and parameter.code in string.HAVE_PARTS:
        wanted += [-i for i in wanted]
    numbers = ", ".join(map(str, wanted))
    same = Fragment(f"{alias}.param {'= ' + numbers if len(wanted) == 1 else f'IN ({numbers})'}")
    return (
        same & _of_narrowed(alias, parameter.narrowed)
        if parameter.narrowed and modifier == "missing"
        else same
    )


def _of_narrowed(alias: str, resource_type: str) -> Fragment:
    """The reference leads to the type: here, inside the resource, or by an address elsewhere."""
    lo, hi = contained_range(resource_type)
    inside = Fragment(f"{alias}.target >= {lo} AND {alias}.target < {hi}")
    elsewhere = Fragment(
        f"{alias}.target IS NULL AND position(%s in {alias}.url) > 0", (f"/{resource_type}/",)
    )
    return any_of((_in_range(f"{alias}.target", resource_type), inside, elsewhere))


def _in_range(column: str, resource_type: str) -> Fragment:
    lo, hi = type_range(resource_type)
    return Fragment(f"{column} >= {lo} AND {column} < {hi}")


def _value(compiler: Compiler, found: Match, value: str, alias: str) -> Fragment:
    parameter = found.parameter
    targets = (
        (found.modifier,)
        if found.modifier in TYPE_CODE
        else (parameter.narrowed,)
        if parameter.narrowed
        else parameter.targets
    )
    asked = Asked(
        value, found.name or parameter.code, compiler.now, compiler.base, found.modifier, targets, alias
    )
    asked = replace(asked, narrowed=parameter.narrowed)
    if parameter.base == "Bundle" and parameter.type == "reference":
        return _leading(asked)
    if parameter.type == "composite":
        return composite.where(asked, parameter.components)
    if parameter.type == "token" and found.modifier in ("in", "above", "below"):
        return _coded(compiler, asked)
    if found.modifier == "identifier":
        return token.where(replace(asked, modifier=""))
    return WHERE[parameter.type](asked)


def _leading(asked: Asked) -> Fragment:
    """The first resource of a Bundle stands in the Bundle alone: it is asked for by the id that it has there."""
    kind, _, logical_id = unescape(asked.text).rpartition("/")
    if kind not in ("", *asked.types):
        return FALSE
    lo, hi = contained_range(asked.types[0])
    same = f"SELECT c.rid FROM contained c WHERE c.rid >= {lo} AND c.rid < {hi} AND c.id = %s"
    return Fragment(f"{asked.column('target')} IN ({same})", (logical_id,))


def _coded(compiler: Compiler, asked: Asked) -> Fragment:
    if asked.modifier == "in":
        return token.in_codes(asked, compiler.codes_of("in", unescape(asked.text), ""))
    parts = asked.parts()
    if len(parts) != 2 or not all(parts):
        raise asked.refuse("system|code")
    return token.in_codes(asked, compiler.codes_of(asked.modifier, parts[0], parts[1]))


def _exists(place: Place, table: str, alias: str, inside: Fragment, negated: bool = False) -> Fragment:
    if negated:
        text = f"NOT EXISTS (SELECT FROM {table} {alias} WHERE {alias}.rid = {place.rid} AND {inside.text})"
    else:
        text = f"{place.rid} IN (SELECT {alias}.rid FROM {table} {alias} WHERE {inside.text})"
    return Fragment(text, inside.values)


def _missing(compiler: Compiler, found: Missing, place: Place) -> Fragment:
    """A reference by identifier alone is a value, too; whom it means is not known."""
    alias, table = compiler.alias("i"), found.parameter.table
    rows = _exists(place, table, alias, _rows(found.parameter, alias, "missing"), found.missing)
    if found.parameter.type != "reference" or found.parameter.narrowed:
        return rows
    named = _rows(found.parameter, alias, "identifier")
    by_identifier = _exists(place, "token_index", alias, named, found.missing)
    return rows & by_identifier if found.missing else rows | by_identifier


def _chain(compiler: Compiler, found: Chain, place: Place) -> Fragment:
    alias = compiler.alias("i")
    column = f"{alias}.target"
    if len(found.targets) == 1 and _is_plain(compiler, found.targets[0][1]):
        (target, condition) = found.targets[0]
        ends = _among(column, target) & compiler.compile(condition, Place(column, "", (target,)))
    else:
        chosen = [
            select for target, condition in found.targets for select in _reached(compiler, target, condition)
        ]
        text = " UNION ALL ".join(select.text for select in chosen)
        ends = Fragment(f"{column} IN ({text})", tuple(v for select in chosen for v in select.values))
    return _exists(place, "reference_index", alias, _rows(found.parameter, alias) & ends)


def _is_plain(compiler: Compiler, condition: Condition) -> bool:
    """Whether index rows alone tell who fulfils the condition."""
    return compiler.is_open() and not _needs_row(condition) and not _needs_columns(condition)


def _among(column: str, target: str) -> Fragment:
    """A resource of the type, or a contained one. One condition for both: the planner begins with whichever side has fewer rows."""
    lo, hi = contained_range(target)
    return any_of((_in_range(column, target), Fragment(f"{column} >= {lo} AND {column} < {hi}")))


def _reached(compiler: Compiler, target: str, condition: Condition) -> Iterator[Fragment]:
    """A chain leads to resources of the type, and into contained ones, which are read with their container."""
    row = compiler.alias("r")
    inside = _readable(compiler, row, target) & compiler.compile(
        condition, Place(f"{row}.rid", row, (target,))
    )
    yield Fragment(f"SELECT {row}.rid FROM resource {row} WHERE {inside.text}", inside.values)
    if not _needs_columns(condition):
        part, (lo, hi) = compiler.alias("c"), contained_range(target)
        ranged = Fragment(f"{part}.rid >= {lo} AND {part}.rid < {hi}")
        within = ranged & compiler.compile(condition, Place(f"{part}.rid", "", (target,)))
        yield Fragment(f"SELECT {part}.rid FROM contained {part} WHERE {within.text}", within.values)


def _end(compiler: Compiler, column: str, target: str, condition: Condition) -> Fragment:
    """The resource is of this type, may be read, and fulfils the condition."""
    ranged = _in_range(column, target)
    if compiler.is_open() and not _needs_row(condition):
        return ranged & compiler.compile(condition, Place(column, "", (target,)))
    row = compiler.alias("r")
    inside = _readable(compiler, row, target) & compiler.compile(
        condition, Place(f"{row}.rid", row, (target,))
    )
    return ranged & Fragment(
        f"{column} IN (SELECT {row}.rid FROM resource {row} WHERE {inside.text})", inside.values
    )


def _readable(compiler: Compiler, row: str, resource_type: str) -> Fragment:
    return (
        _in_range(f"{row}.rid", resource_type) & Fragment(f"{row}.body IS NOT NULL") & compiler.access.on(row)
    )


def _needs_row(condition: Condition) -> bool:
    if isinstance(condition, (AllOf, AnyOf)):
        return not condition.conditions or any(_needs_row(c) for c in condition.conditions)
    return not isinstance(condition, (Match, Chain, Has)) or (
        isinstance(condition, Match) and condition.modifier in ("not", "not-in")
    )


def _needs_columns(condition: Condition) -> bool:
    """Whether the condition asks more than index rows."""
    if isinstance(condition, (AllOf, AnyOf)):
        return any(_needs_columns(c) for c in condition.conditions)
    if isinstance(condition, Not):
        return _needs_columns(condition.condition)
    return isinstance(condition, (Ids, Updated, Says, Types))


def _has(compiler: Compiler, found: Has, place: Place) -> Fragment:
    alias = compiler.alias("i")
    inside = _rows(found.parameter, alias) & _end(compiler, f"{alias}.rid", found.type, found.condition)
    if found.parameter.narrowed:
        inside = inside & _in_range(f"{alias}.target", found.parameter.narrowed)
    text = f"{place.rid} IN (SELECT {alias}.target FROM reference_index {alias} WHERE {inside.text})"
    return Fragment(text, inside.values)


def _ids(compiler: Compiler, found: Ids, place: Place) -> Fragment:
    same = Fragment(f"{place.row}.id = ANY(%s)", (list(found.ids),))
    if place.types:
        same = Fragment(f"{place.row}.type = ANY(%s)", ([TYPE_CODE[t] for t in place.types],)) & same
    return ~same if found.negated else same


_UPDATED: dict[str, tuple[str, tuple[str, ...]]] = {
    "eq": ("{t} >= %s AND {t} < %s", ("lo", "hi")),
    "ne": ("({t} < %s OR {t} >= %s)", ("lo", "hi")),
    "gt": ("{t} >= %s", ("hi",)),
    "sa": ("{t} >= %s", ("hi",)),
    "lt": ("{t} < %s", ("lo",)),
    "eb": ("{t} < %s", ("lo",)),
    "ge": ("{t} >= %s", ("lo",)),
    "le": ("{t} < %s", ("hi",)),
    "ap": ("{t} >= %s AND {t} < %s", ("lo", "hi")),
}


def _updated(compiler: Compiler, found: Updated, place: Place) -> Fragment:
    """An instant is a point, so the table of `date` becomes shorter."""
    return any_of(_instant(compiler, value, place) for value in found.values)


def _instant(compiler: Compiler, value: str, place: Place) -> Fragment:
    asked = Asked(value, "_lastUpdated", compiler.now)
    prefix, text = asked.prefix()
    try:
        interval = parse_instant_or_partial(unescape(text).replace(" ", "+"))
    except ValueError:
        raise asked.refuse("an instant or a date, behind an optional prefix") from None
    template, names = _UPDATED[prefix]
    return Fragment(
        template.format(t=f"{place.row}.last_updated"), tuple(getattr(interval, n) for n in names)
    )


def _says(compiler: Compiler, found: Says, place: Place) -> Fragment:
    column = f"{place.row}.{found.column}"
    if not found.queries:
        return Fragment(f"{column} IS NULL")
    asked = " OR ".join("w.vector @@ %s::tsquery" for _ in found.queries)
    return Fragment(f"{column} IN (SELECT w.key FROM words w WHERE {asked})", found.queries)


def _types(compiler: Compiler, found: Types, place: Place) -> Fragment:
    return Fragment(f"{place.row}.type = ANY(%s)", ([TYPE_CODE[t] for t in found.types],))


def _compartment(compiler: Compiler, found: InCompartment, place: Place) -> Fragment:
    owner = "(SELECT rid FROM resource WHERE type = %s AND id = %s)"
    values = (TYPE_CODE[found.type], found.id)
    if found.type == "Patient":
        return Fragment(f"{place.rid} IN (SELECT rid FROM compartment WHERE patient = {owner})", values)
    numbers = ", ".join(str(int(i)) for i in found.parameters)
    linked = f"SELECT rid FROM reference_index WHERE target = {owner} AND param IN ({numbers})"
    return Fragment(f"{place.rid} IN ({linked})", values)


def _hierarchy(compiler: Compiler, found: InHierarchy, place: Place) -> Fragment:
    """Step by step from the resource named, only over what may be read."""
    alias, first, row = compiler.alias("i"), compiler.alias("r"), compiler.alias("r")
    start, further = _readable(compiler, first, found.type), _readable(compiler, row, found.type)
    come, go = ("rid", "target") if found.is_above else ("target", "rid")
    numbers = ", ".join(str(int(i)) for i in found.part_of)
    tree = (
        f"WITH RECURSIVE tree (rid) AS (SELECT {first}.rid FROM resource {first} WHERE {first}.type = %s AND {first}.id = %s AND {start.text}"
        f" UNION SELECT k.{go} FROM tree JOIN reference_index k ON k.{come} = tree.rid AND k.param IN ({numbers})"
        f" JOIN resource {row} ON {row}.rid = k.{go} WHERE {further.text}) SELECT rid FROM tree"
    )
    values = (TYPE_CODE[found.type], found.id, *start.values, *further.values)
    inside = _rows(found.parameter, alias) & Fragment(f"{alias}.target IN ({tree})", values)
    return _exists(place, "reference_index", alias, inside)


def _list(compiler: Compiler, found: InList, place: Place) -> Fragment:
    row, alias = compiler.alias("r"), compiler.alias("i")
    readable = _readable(compiler, row, "List")
    linked = (
        f"SELECT {alias}.target FROM reference_index {alias} JOIN resource {row} ON {row}.rid = {alias}.rid"
        f" AND {alias}.param = ANY(%s)"
    )
    text = f"{place.rid} IN ({linked} WHERE {row}.id = %s AND {readable.text})"
    return Fragment(text, (list(found.items), found.id, *readable.values))


_EARTH_KILOMETRES = 6371.0
_KILOMETRES_A_DEGREE = 111.0


def _near(compiler: Compiler, found: Near, place: Place) -> Fragment:
    """A band of latitudes first, then the great-circle distance."""
    band = found.kilometres / _KILOMETRES_A_DEGREE
    lat, lon = "radians(n.c1_lo::float8)", "radians(n.c2_lo::float8)"
    angle = f"sin(radians(%s)) * sin({lat}) + cos(radians(%s)) * cos({lat}) * cos({lon} - radians(%s))"
    text = (
        f"{place.rid} IN (SELECT n.rid FROM composite_index n WHERE n.param = {int(found.parameter.id)} AND n.c1_lo BETWEEN %s AND %s"
        f" AND {_EARTH_KILOMETRES} * acos(least(1, greatest(-1, {angle}))) <= %s)"
    )
    span = (found.latitude - band, found.latitude + band)
    return Fragment(text, (*span, found.latitude, found.latitude, found.longitude, found.kilometres))


def _ranked(compiler: Compiler, found: Ranked, place: Place) -> Fragment:
    """The scores are joined to the page's source; here stands who may be found by them."""
    return compiler.ranking(found).allowed


def _several(fold: Callable[[Sequence[Fragment]], Fragment]) -> Callable[[Compiler, Any, Place], Fragment]:
    def fragment(compiler: Compiler, found: AllOf | AnyOf, place: Place) -> Fragment:
        return fold([compiler.compile(condition, place) for condition in found.conditions])

    return fragment


def _not(compiler: Compiler, found: Not, place: Place) -> Fragment:
    return ~compiler.compile(found.condition, place)


_COMPILE: dict[type, Callable[[Compiler, Any, Place], Fragment]] = {
    Match: _match,
    Missing: _missing,
    Chain: _chain,
    Has: _has,
    Ids: _ids,
    Updated: _updated,
    Says: _says,
    Types: _types,
    InCompartment: _compartment,
    InHierarchy: _hierarchy,
    InList: _list,
    Near: _near,
    Ranked: _ranked,
    AllOf: _several(all_of),
    AnyOf: _several(any_of),
    Not: _not,
}

"""The filters of a compose as SQL over code_concept: one row an operator.

What R4 says of a system's own filters: LOINC's `ancestor`, SNOMED CT's `concept in <reference set>`, `constraint` and `expressions`.
https://hl7.org/fhir/R4/valueset-filter-operator.html, https://hl7.org/fhir/R4/loinc.html#filters, https://hl7.org/fhir/R4/snomedct.html#filters
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from psycopg import sql

from fhir_server.store.code_releases import searched
from terminology.codes.concept import CannotTell, Filter
from terminology.codes.ecl import filter_of
from terminology.codes.filters import OF_CODE, TEXT, listed, pattern_of
from terminology.coding import LOINC, SNOMED

_BELOW = sql.SQL("""c.code IN (
    WITH RECURSIVE down (code) AS (
        SELECT child FROM code_edge WHERE release = %s AND parent = ANY(%s)
        UNION SELECT e.child FROM down JOIN code_edge e ON e.release = %s AND e.parent = down.code
    ) SELECT code FROM down)""")
_UP = sql.SQL("""
    WITH RECURSIVE up (code) AS (
        SELECT unnest(parents) FROM code_concept WHERE release = %s AND code = %s
        UNION SELECT unnest(p.parents) FROM up JOIN code_concept p ON p.release = %s AND p.code = up.code
    ) SELECT code FROM up""")
_OWN = sql.SQL("ARRAY(SELECT substr(f, %s) FROM unnest(c.facts) f WHERE starts_with(f, %s))")
_CHILDREN = sql.SQL("ARRAY(SELECT child FROM code_edge WHERE release = %s AND parent = c.code)")
_PLAIN = {
    "concept": sql.SQL("ARRAY[c.code::text]"),
    "code": sql.SQL("ARRAY[c.code::text]"),
    "display": sql.SQL("ARRAY[c.display]"),
    "definition": sql.SQL("array_remove(ARRAY[c.definition], '')"),
    "parent": sql.SQL("c.parents"),
}


class Condition(NamedTuple):
    """Part of a WHERE about `code_concept c`, and its values in order."""

    text: sql.Composable
    values: tuple[Any, ...] = ()


class Scope(NamedTuple):
    """The system and release that is asked, and the one code that matters, if it is one."""

    url: str
    release: int
    is_strict: bool
    only: str | None

    def folded(self, text: str) -> str:
        """As codes and values are kept."""
        return text if self.is_strict else text.upper()


Make = Callable[[Scope, Filter], Condition]
_ALL = Condition(sql.SQL("true"))


def condition(scope: Scope, each: Filter) -> Condition:
    """What a concept must meet to pass. Raises CannotTell for what cannot be carried out."""
    own = _OF_SYSTEM.get((scope.url, each.property))
    make = (own or {}).get(each.op) or _OPERATORS.get(each.op)
    if make is None:
        known = ", ".join(sorted(_OPERATORS.keys() - {TEXT}))
        raise CannotTell("not-supported", f"The filter operator {each.op} is not one of {known}.")
    return make(scope, each)


def _values(scope: Scope, name: str) -> Condition:
    """What a concept has under this name, as an array of text."""
    if name in _PLAIN:
        return Condition(_PLAIN[name])
    if name == "child":
        return Condition(_CHILDREN, (scope.release,))
    return Condition(_OWN, (len(name) + 2, f"{name}="))


def _is_one_of(scope: Scope, name: str, wanted: list[str]) -> Condition:
    values = [scope.folded(value) for value in wanted] if name not in ("display", "definition") else wanted
    if name in OF_CODE:
        return Condition(sql.SQL("c.code = ANY(%s)"), (values,))
    if name in _PLAIN or name == "child":
        had = _values(scope, name)
        return Condition(sql.SQL("{} && %s").format(had.text), (*had.values, values))
    return Condition(sql.SQL("c.facts && %s"), ([f"{name}={value}" for value in values],))


def _equal(scope: Scope, each: Filter) -> Condition:
    return _is_one_of(scope, each.property, [each.value])


def _in(scope: Scope, each: Filter) -> Condition:
    return _is_one_of(scope, each.property, sorted(listed(each.value)))


def _regex(scope: Scope, each: Filter) -> Condition:
    """The whole value has to match. Postgres carries it out, within the time of a statement, by its own grammar of patterns."""
    pattern = pattern_of(each.value).pattern
    had = _values(scope, each.property)
    text = sql.SQL("EXISTS (SELECT FROM unnest({}) v WHERE v ~ %s)").format(had.text)
    return Condition(text, (*had.values, f"^(?:{pattern})$" if scope.is_strict else f"(?i)^(?:{pattern})$"))


def _exists(scope: Scope, each: Filter) -> Condition:
    had = _values(scope, each.property)
    return Condition(
        sql.SQL("(cardinality({}) > 0) = %s").format(had.text), (*had.values, each.value == "true")
    )


def _descendent_of(scope: Scope, each: Filter) -> Condition:
    if each.property not in OF_CODE:
        raise CannotTell(
            "not-supported", f"The filter {each.op} is about concept, not about {each.property}."
        )
    return _below(scope, [each.value])


def _below(scope: Scope, codes: list[str]) -> Condition:
    """Under one of the codes. Of one concept its ancestors are looked through, which are few."""
    above = [scope.folded(code) for code in codes]
    if scope.only is None:
        return Condition(_BELOW, (scope.release, above, scope.release))
    text = sql.SQL("EXISTS (SELECT FROM ({}) a WHERE a.code = ANY(%s))").format(_UP)
    return Condition(text, (scope.release, scope.only, scope.release, above))


def _is_a(scope: Scope, each: Filter) -> Condition:
    return _either(_descendent_of(scope, each), _itself(scope, each))


def _generalizes(scope: Scope, each: Filter) -> Condition:
    over = Condition(
        sql.SQL("c.code IN ({})").format(_UP), (scope.release, scope.folded(each.value), scope.release)
    )
    return _either(over, _itself(scope, each))


def _itself(scope: Scope, each: Filter) -> Condition:
    return Condition(sql.SQL("c.code = %s"), (scope.folded(each.value),))


def _either(one: Condition, other: Condition) -> Condition:
    return Condition(sql.SQL("({} OR {})").format(one.text, other.text), (*one.values, *other.values))


def _not(make: Make) -> Make:
    def made(scope: Scope, each: Filter) -> Condition:
        inner = make(scope, each)
        return Condition(sql.SQL("NOT coalesce({}, false)").format(inner.text), inner.values)

    return made


def _says(scope: Scope, each: Filter) -> Condition:
    """May let more pass than `says` does."""
    wanted = " & ".join(f"'{word}':*" for word in searched(each.value))
    if not wanted:
        return _ALL
    text = sql.SQL("(c.words @@ %s::tsquery OR c.code = %s)")
    return Condition(text, (wanted, scope.folded(each.value.strip())))


def _ancestor(scope: Scope, each: Filter) -> Condition:
    return _below(scope, sorted(listed(each.value)))


def _member_of(scope: Scope, each: Filter) -> Condition:
    return _is_one_of(scope, "memberOf", sorted(listed(each.value)))


def _constraint(scope: Scope, each: Filter) -> Condition:
    """Raises CannotTell for an expression that is more than one operator and a concept."""
    found = filter_of(each.value)
    return _ALL if found is None else condition(scope, found)


def _expressions(scope: Scope, each: Filter) -> Condition:
    """Post-coordinated expressions are never among the codes here, wanted or not."""
    return _ALL


_OPERATORS: dict[str, Make] = {
    "=": _equal,
    "in": _in,
    "not-in": _not(_in),
    "regex": _regex,
    "exists": _exists,
    "is-a": _is_a,
    "is-not-a": _not(_is_a),
    "descendent-of": _descendent_of,
    "generalizes": _generalizes,
    TEXT: _says,
}
_OF_SYSTEM: dict[tuple[str, str], dict[str, Make]] = {
    (LOINC, "ancestor"): {"=": _ancestor, "in": _ancestor},
    (SNOMED, "concept"): {"in": _member_of},
    (SNOMED, "constraint"): {"=": _constraint},
    (SNOMED, "expressions"): {"=": _expressions},
}

"""Functions of FHIRPath that fhirpathpy lacks, or has otherwise than the specification says.

A function takes the input collection and its arguments, and returns a collection. http://hl7.org/fhirpath/#functions
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from fhirpathpy.engine.nodes import FP_DateTime, FP_Quantity, FP_Time, FP_TimeBase

from fhir_server.r4.fhirpath_known import CannotTell, conforms_to, member_of, resolve
from fhir_server.r4.fhirpath_moments import WHOLE, moment_boundary
from fhir_server.r4.narrative import narrative
from terminology.ucum import canonical_factor

Values = list[Any]
MOST_DIGITS = 28
"""Decimal places that a boundary may be asked for."""


def _text(values: Values) -> str | None:
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def _matches_full(values: Values, pattern: Any) -> Values:
    text = _text(values)
    return [] if text is None or pattern == [] else [re.fullmatch(str(pattern), text, re.DOTALL) is not None]


def _escape(values: Values, target: Any) -> Values:
    text = _text(values)
    if text is None or target not in ("html", "json"):
        return []
    return [html.escape(text) if target == "html" else json.dumps(text, ensure_ascii=False)[1:-1]]


def _unescape(values: Values, target: Any) -> Values:
    text = _text(values)
    if text is None or target not in ("html", "json"):
        return []
    return [html.unescape(text) if target == "html" else json.loads(f'"{_BARE_QUOTE.sub(_QUOTE, text)}"')]


_BARE_QUOTE, _QUOTE = re.compile(r'(?<!\\)"'), r"\""


def _starts_with(values: Values, prefix: Any) -> Values:
    text = _text(values)
    return [] if text is None or not isinstance(prefix, str) else [text.startswith(prefix)]


def _index_of(values: Values, part: Any) -> Values:
    text = _text(values)
    return [] if text is None or not isinstance(part, str) else [text.find(part)]


def _replace(values: Values, part: Any, other: Any) -> Values:
    text = _text(values)
    if text is None or not isinstance(part, str) or not isinstance(other, str):
        return []
    return [text.replace(part, other)]


def _replace_matches(values: Values, pattern: Any, other: Any) -> Values:
    """An empty pattern matches nothing here. `$1` and `${name}` are groups."""
    text = _text(values)
    if text is None or not isinstance(pattern, str) or not isinstance(other, str):
        return []
    by = re.sub(r"\$(?:(\d+)|\{(\w+)\})", lambda m: rf"\g<{m[1] or m[2]}>", other)
    return [re.sub(pattern, by, text) if pattern else text]


def _round(values: Values, digits: Any = 0) -> Values:
    if len(values) != 1 or not _is_number(values[0]) or not isinstance(digits, int):
        return []
    found = Decimal(str(values[0])).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return [found if digits else int(found)]


def _has_value(values: Values) -> Values:
    """Whether it is one primitive with a value of its own. https://hl7.org/fhir/R4/fhirpath.html#functions"""
    return [len(values) == 1 and not isinstance(values[0], (dict, list)) and values[0] is not None]


def _get_value(values: Values) -> Values:
    return values if _has_value(values) == [True] else []


def _html_checks(values: Values) -> Values:
    text = _text(values)
    return [] if not values else [text is not None and narrative(text, {}) is None]


def _check_modifiers(values: Values, *known: Any) -> Values:
    """The input where every modifierExtension of it is among those that are named. Raises CannotTell."""
    urls = {
        m.get("url")
        for value in values
        if isinstance(value, dict)
        for m in value.get("modifierExtension", ())
    }
    if urls - set(known):
        raise CannotTell("checkModifiers")
    return values


def _to_string(values: Values) -> Values:
    if len(values) != 1:
        return []
    return [str(values[0]).lower() if isinstance(values[0], bool) else str(values[0])]


def _precision(values: Values) -> Values:
    if len(values) != 1:
        return []
    value = values[0]
    if isinstance(value, FP_TimeBase):
        day, _, hours = str(getattr(value, "asStr", "")).partition("T")
        return [len(re.sub(r"\D", "", day + re.sub(r"(Z|[+-]\d\d:\d\d)$", "", hours)))]
    return [max(0, -_exponent(Decimal(str(value))))] if _is_number(value) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _exponent(value: Decimal) -> int:
    found = value.as_tuple().exponent
    return found if isinstance(found, int) else 0


DEFAULT = 8
"""Decimal places of a boundary where nothing is said."""


def _moment(text: str, digits: int, is_high: bool) -> Values:
    found = moment_boundary(text, digits, is_high=is_high)
    check: Any = FP_TimeBase.check_string
    return [] if found is None else [check(FP_DateTime, found) or found]


def _boundary(rounding: str, sign: int, seconds: str) -> Callable[..., Values]:
    """`lowBoundary` or `highBoundary`: the end of the interval that the digits of a value leave open."""

    def boundary(values: Values, digits: Any = None) -> Values:
        if len(values) != 1 or digits == [] or not 0 <= (digits or 0) <= MOST_DIGITS:
            return []
        value, places = values[0], DEFAULT if digits is None else digits
        if isinstance(value, FP_Quantity):
            return [_quantity(found, value.unit) for found in boundary([value.value], places)]
        if isinstance(value, (str, FP_TimeBase)) and not isinstance(value, FP_Time):
            return _moment(str(getattr(value, "asStr", value)), WHOLE if digits is None else digits, sign > 0)
        if isinstance(value, FP_Time) and len(str(value.asStr)) == len("10:30"):
            return [f"{value.asStr}:{seconds}"]
        if not _is_number(value):
            return []
        exact = Decimal(str(value))
        half = Decimal(5).scaleb(_exponent(exact) - 1)
        return [(exact + sign * half).quantize(Decimal(1).scaleb(-int(places)), rounding)]

    return boundary


def _quantity(value: Decimal, unit: str) -> Any:
    return FP_Quantity(value, unit)  # type: ignore[no-untyped-call]


def _comparable(values: Values, other: Any) -> Values:
    """Whether two quantities have units of one dimension."""
    both = [*values, *(other if isinstance(other, list) else [other])]
    units = [found.unit.strip("'") for found in both if isinstance(found, FP_Quantity)]
    factors = [canonical_factor(unit) for unit in units]
    if len(units) != 2:
        return []
    return [None not in factors and len({factor.unit for factor in factors if factor}) == 1]


def _sort(values: Values, *keys: Any) -> Values:
    """By the expressions, the first one first; what has no value comes first. Raises TypeError for values that have no order."""
    found = list(values)
    for key in reversed(keys):
        found.sort(key=lambda one, k=key: _order(k(one)))  # type: ignore[misc]
    return found if keys else sorted(found)


def _order(values: Values) -> tuple[bool, Any]:
    data = [getattr(value, "data", value) for value in values]
    return (bool(data), data[0] if data else 0)


FUNCTIONS: dict[str, dict[str, Any]] = {
    "matchesFull": {"fn": _matches_full, "arity": {1: [["String"]]}},
    "escape": {"fn": _escape, "arity": {1: [["String"]]}},
    "unescape": {"fn": _unescape, "arity": {1: [["String"]]}},
    "startsWith": {"fn": _starts_with, "arity": {1: [["String"]]}},
    "indexOf": {"fn": _index_of, "arity": {1: [["String"]]}},
    "replace": {"fn": _replace, "arity": {2: [["String"], ["String"]]}},
    "replaceMatches": {"fn": _replace_matches, "arity": {2: [["String"], ["String"]]}},
    "round": {"fn": _round, "arity": {0: [], 1: [["Integer"]]}},
    "toString": {"fn": _to_string},
    "precision": {"fn": _precision},
    "lowBoundary": {"fn": _boundary(ROUND_FLOOR, -1, "00.000"), "arity": {0: [], 1: [["Integer"]]}},
    "highBoundary": {"fn": _boundary(ROUND_CEILING, 1, "59.999"), "arity": {0: [], 1: [["Integer"]]}},
    "comparable": {"fn": _comparable, "arity": {1: ["Any"]}},
    "sort": {"fn": _sort, "arity": {0: [], 1: ["Expr"], 2: ["Expr", "Expr"]}},
    "conformsTo": {"fn": conforms_to, "arity": {1: [["String"]]}},
    "hasValue": {"fn": _has_value},
    "getValue": {"fn": _get_value},
    "htmlChecks": {"fn": _html_checks},
    "checkModifiers": {"fn": _check_modifiers, "arity": {n: [["String"]] * n for n in range(1, 6)}},
    "resolve": {"fn": resolve},
    "memberOf": {"fn": member_of, "arity": {1: [["String"]]}},
}
"""By name, as fhirpathpy wants its `userInvocationTable`."""

"""Search parameter type `number`.

`eq` and `ne` compare with the interval that the digits imply: `100` is [99.5, 100.5), and so is `1.00e2`.
The other prefixes compare with the number exactly as written. https://hl7.org/fhir/R4/search.html#number
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from fhir_server.search.types.asked import Asked
from fhir_server.sql import Fragment

MOST_DIGITS = 130
_NUMBER = re.compile(
    r"-?(?P<whole>[0-9]{1,60})(?:\.(?P<fraction>[0-9]{1,60}))?(?:[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_ALL_DIGITS, _CANONICAL_DIGITS = Context(prec=400), Context(prec=24)
Row = tuple[Decimal | None, Decimal | None]
"""lo, hi; None where an end is open."""


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A number as asked for: exactly, and as the interval [lo, hi) of its digits."""

    exact: Decimal
    lo: Decimal
    hi: Decimal

    def scaled(self, factor: Decimal, offset: Decimal) -> NumberValue:
        """The same in another unit."""
        return NumberValue(*(scale(v, factor, offset) for v in (self.exact, self.lo, self.hi)))


def parse(text: str) -> NumberValue:
    """Raises ValueError where the text is no decimal of R4."""
    match = _NUMBER.fullmatch(text)
    exact = Decimal(text) if match else Decimal("NaN")
    if match is None or not exact.is_finite() or abs(exact.adjusted()) > 100:
        raise ValueError(text)
    half = Decimal((0, (5,), _last_place(match) - 1))
    return NumberValue(exact, _ALL_DIGITS.subtract(exact, half), _ALL_DIGITS.add(exact, half))


def _last_place(match: re.Match[str]) -> int:
    """The power of ten of the last significant digit.

    R4 reads `1e2` as [95, 105): a single digit before an exponent counts as if a zero stood behind it.
    """
    digits, exponent = match["fraction"] or "", match["exponent"]
    is_lone = exponent is not None and not digits and len(match["whole"].lstrip("0")) == 1
    return int(exponent or 0) - len(digits) - is_lone


def scale(value: Decimal, factor: Decimal, offset: Decimal) -> Decimal:
    """In another unit, to 24 digits: stored and asked-for amounts are rounded alike, so equal ones stay equal."""
    return _CANONICAL_DIGITS.fma(value, factor, offset)


def can_be_stored(value: Any) -> bool:
    """A number of at most 130 digits before or behind the point: more is kept in the resource, but not indexed."""
    return value is None or abs(Decimal(value).adjusted()) <= MOST_DIGITS


def rows(value: Any) -> Iterator[Row]:
    """A number, or a Range of them."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and can_be_stored(value):
        yield Decimal(value), Decimal(value)
    elif isinstance(value, dict):
        low, high = (value.get(end, {}).get("value") for end in ("low", "high"))
        if low is not None or high is not None:
            yield low and Decimal(low), high and Decimal(high)


def where(asked: Asked) -> Fragment:
    """Compare the row's number with the value."""
    prefix, text = asked.prefix()
    try:
        return compare(prefix, asked.column("lo"), asked.column("hi"), parse(text))
    except ValueError:
        raise asked.refuse("a number such as 100, 5.40 or 1e-3, behind an optional prefix") from None


def compare(prefix: str, lo: str, hi: str, value: NumberValue) -> Fragment:
    """The prefix's row of the table, over the named columns."""
    template, values = WHERE[prefix](value)
    return Fragment(template.format(lo=lo, hi=hi), values)


def _tenth(value: NumberValue) -> tuple[Decimal, Decimal]:
    slack = abs(value.exact) / 10
    return min(value.exact - slack, value.lo), max(value.exact + slack, value.hi)


_Sql = tuple[str, tuple[Decimal, ...]]
WHERE: dict[str, Callable[[NumberValue], _Sql]] = {
    "eq": lambda v: ("{lo} >= %s AND {lo} < %s AND {hi} < %s", (v.lo, v.hi, v.hi)),
    "ne": lambda v: ("({lo} IS NULL OR {hi} IS NULL OR {lo} < %s OR {hi} >= %s)", (v.lo, v.hi)),
    "gt": lambda v: ("({hi} > %s OR {hi} IS NULL)", (v.exact,)),
    "lt": lambda v: ("({lo} < %s OR {lo} IS NULL)", (v.exact,)),
    "ge": lambda v: ("({hi} >= %s OR {hi} IS NULL)", (v.exact,)),
    "le": lambda v: ("({lo} <= %s OR {lo} IS NULL)", (v.exact,)),
    "sa": lambda v: ("{lo} > %s", (v.exact,)),
    "eb": lambda v: ("{hi} < %s", (v.exact,)),
    "ap": lambda v: (
        "({lo} <= %s OR {lo} IS NULL) AND ({hi} >= %s OR {hi} IS NULL)",
        (_tenth(v)[1], _tenth(v)[0]),
    ),
}
MODIFIERS: tuple[str, ...] = ()

"""Numbers: each is what it is said to be: a value with its unit and its date, an end of a range, a count, a difference. Pure.

A number stands for a value only beside the name and the date that it belongs to; what follows it is a unit of the record or a plain word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ai_layer.grounding.facts import Ends, Fact
from ai_layer.grounding.moments import at, spoken_of
from ai_layer.grounding.said import Clause, Number, Said

PLAIN_AFTER = frozenset(
    [
        "on",
        "in",
        "to",
        "and",
        "is",
        "was",
        "from",
        "over",
        "at",
        "for",
        "as",
        "the",
        "which",
        "when",
        "it",
        "its",
        "with",
        "than",
        "by",
        "of",
        "or",
        "but",
        "were",
        "are",
        "le",
        "la",
        "en",
        "et",
        "a",
        "au",
        "de",
        "sur",
        "du",
        "est",
        "dans",
        "par",
        "pour",
        "most",
        "up",
        "down",
        "now",
        "has",
        "had",
        "it's",
        "this",
        "that",
        "c'est",
        "both",
        "per",
    ]
)
"""Words that may follow a number without being its unit."""
COUNTED = frozenset(
    [
        "results",
        "result",
        "values",
        "value",
        "measurements",
        "tests",
        "readings",
        "resultats",
        "valeurs",
        "mesures",
        "entries",
        "records",
    ]
)
_PAIR = re.compile(
    r"(\d+(?:[.,]\d+)?)[^\d@§;,.]{0,14}?(?:\bto\b|\ba\b|\band\b|\bet\b|-|–)\s?(\d+(?:[.,]\d+)?)"
)
_PRESSURE = re.compile(r"(\d+(?:[.,]\d+)?)\s?(?:mmhg |mm\[hg\] )?(?:over|/|sur)\s?(\d+(?:[.,]\d+)?)")
_RANGE = re.compile(r"\b(?:range|limits?|usual|normal|between|reference|intervalle|limite|usuel|norme)\b")
_ABOVE = re.compile(
    r"\b(?:above|over|more than|higher than|greater than|exceeds|au-dessus de|plus de|superieure? a)\s?(?:the |than )?$"
)
_BELOW = re.compile(
    r"\b(?:below|under|less than|lower than|en dessous de|moins de|inferieure? a)\s?(?:the |than )?$"
)
_COUNTS = {
    "one": 1,
    "two": 2,
    "both": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "deux": 2,
    "trois": 3,
    "quatre": 4,
    "cinq": 5,
}


def hold(said: Said, facts: Sequence[Fact]) -> bool:
    """Whether every number of every clause does."""
    if not all(_COUNTS[word] == len(facts) for word in re.findall(r"[a-z]+", said.text) if word in _COUNTS):
        return False
    return all(_holds(clause, facts) for clause in said.clauses)


def _holds(clause: Clause, facts: Sequence[Fact]) -> bool:
    told = spoken_of(clause, facts)
    if not all(_is_pair(Decimal(a), Decimal(b), clause, told) for a, b in _pairs(_PAIR, clause.text)):
        return False
    if not all(_is_pressure(a, b, told) for a, b in _pairs(_PRESSURE, clause.text)):
        return False
    free = [n for n in clause.numbers if not _is_of_a_range(n, clause, told)]
    return all(_is_borne(n, clause, told, len(facts)) for n in free) and _dated(clause, free, told)


def _pairs(pattern: re.Pattern[str], text: str) -> Iterator[tuple[Decimal, Decimal]]:
    for first, second in pattern.findall(text):
        yield Decimal(first.replace(",", ".")), Decimal(second.replace(",", "."))


def _is_pair(first: Decimal, second: Decimal, clause: Clause, facts: Sequence[Fact]) -> bool:
    """`4 to 5.6` are the ends of one range, or the way from an earlier value to a later one."""
    if any(_same(first, low) and _same(second, high) for fact in facts for low, high in _all_ranges(fact)):
        return True
    if _RANGE.search(clause.text):
        return False
    older = [f for f in facts if _same(first, f.value)]
    newer = [f for f in facts if _same(second, f.value)]
    return any(a.order < b.order and a.concept == b.concept for a in older for b in newer)


def _is_pressure(upper: Decimal, lower: Decimal, facts: Sequence[Fact]) -> bool:
    """`138 over 84`: two parts of one resource, in the record's order."""
    return any(
        _same(upper, a.value) and _same(lower, b.value) and a.moments == b.moments
        for a in facts
        for b in facts
        if _is_named(a, "systolic") and _is_named(b, "diastolic")
    )


def _is_named(fact: Fact, word: str) -> bool:
    return any(name.startswith(word) for name in fact.names)


def _is_of_a_range(number: Number, clause: Clause, facts: Sequence[Fact]) -> bool:
    """An end of a range: in a sentence that speaks of one, or that puts a value above or below it, truly."""
    ends = [(low, high) for fact in facts for low, high in _all_ranges(fact)]
    if not any(_same(number.value, end) for pair in ends for end in pair):
        return False
    before = clause.text[: number.at]
    if not _has_unit(number, facts):
        return False
    for pattern, is_above in ((_ABOVE, True), (_BELOW, False)):
        if pattern.search(before):
            value = newest(facts).value if facts else None
            return value is not None and (value > number.value if is_above else value < number.value)
    return bool(_RANGE.search(clause.text)) and not any(_same(number.value, f.value) for f in facts)


def _is_borne(number: Number, clause: Clause, facts: Sequence[Fact], cited: int) -> bool:
    if number.after in COUNTED:
        return number.value == cited
    if any(
        number.value == value and (unit == number.after or not unit)
        for f in facts
        for value, unit in f.numbers
    ):
        return True
    if re.search(r"\b(?:by|de)\s$", clause.text[: number.at]) and _is_difference(number.value, facts):
        return number.after in ("points", "point") or _has_unit(number, facts)
    holders = [f for f in facts if _same(number.value, f.value)]
    before = clause.text[: number.at]
    if (_ABOVE.search(before) or _BELOW.search(before)) and not _is_compared(number.value, before, facts):
        return False
    return bool(holders) and _has_unit(number, holders)


def _is_compared(value: Decimal, before: str, facts: Sequence[Fact]) -> bool:
    """`higher than 4.2` holds where the newest value is."""
    latest = newest(facts).value
    return latest is not None and (latest > value if _ABOVE.search(before) else latest < value)


def _dated(clause: Clause, numbers: Sequence[Number], facts: Sequence[Fact]) -> bool:
    """As many values as dates: they belong together, in their order. One date: a value beside it is of that day."""
    values = [n for n in numbers if any(_same(n.value, f.value) for f in facts)]
    if len(clause.moments) == len(values):
        pairs = zip(values, clause.moments, strict=True)
        return all(any(_same(n.value, f.value) for f in at(m, facts)) for n, m in pairs)
    if len(clause.moments) == 1 and values:
        return any(_same(n.value, f.value) for n in values for f in at(clause.moments[0], facts))
    return True


def _is_difference(value: Decimal, facts: Sequence[Fact]) -> bool:
    series = [f for f in facts if f.value is not None and f.concept == facts[0].concept]
    if len(series) < 2:
        return False
    ordered = sorted(series, key=lambda fact: fact.order)
    return abs((ordered[-1].value or Decimal(0)) - (ordered[0].value or Decimal(0))) == value


def _has_unit(number: Number, facts: Sequence[Fact]) -> bool:
    if not number.after or number.after in PLAIN_AFTER:
        return True
    return any(number.after in fact.units for fact in facts)


def _all_ranges(fact: Fact) -> tuple[Ends, ...]:
    return (*fact.ranges, *fact.usual)


def newest(facts: Sequence[Fact]) -> Fact:
    """The fact of the latest day."""
    valued = [f for f in facts if f.value is not None] or list(facts)
    return max(valued, key=lambda fact: fact.order)


def _same(said: Decimal, value: Decimal | None) -> bool:
    """As the record has it, or rounded to two decimals."""
    if value is None:
        return False
    exponent = said.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    return said == value or (digits == 2 and round(value, 2) == said)

"""Said: a claim taken apart: which of the cited facts its clauses name, at which dates, with which numbers. Pure.

Letters lose case and accents; names of the cited facts, dates and sources become marks, so that a digit or a word inside them is not read again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ai_layer.grounding.facts import Fact, Moment
from ai_layer.phrases import MONTHS
from terminology.text import fold

NAME, DATE, TOLD = "§", "@", "‡"


def plain(text: str) -> str:
    """Without case and accents, punctuation kept."""
    lowered = text.lower().replace("œ", "oe").replace("’", "'")
    return "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))


_MONTH_OF = {plain(name): n for names in MONTHS.values() for n, name in enumerate(names, 1)}
_MONTH = "|".join(_MONTH_OF)
_DATES = re.compile(
    rf"\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th|er)? (?P<m1>{_MONTH}),? (?P<y1>\d{{4}})\b|\b(?P<m2>{_MONTH}) (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}})\b"
    rf"|\b(?P<y3>\d{{4}})-(?P<m3>\d\d)-(?P<d3>\d\d)\b|\b(?P<m4>{_MONTH}) (?P<y4>\d{{4}})\b|(?<![\d.,/])(?P<y5>(?:19|20)\d\d)(?![\d/]|[.,]\d)"
)
NUMBERS = re.compile(
    r"(?<![\w.,])(?P<number>(?:(?<=\s)-)?\d+(?:[.,]\d+)?)(?![.,]?\d)\s?"
    r"(?P<after>10\*\d[\w/]*|[%°a-zµ\[\]{}][\w%°µ\[\]{}*/.^#-]*)?"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number, the word or unit right after it, and where in the clause it stands."""

    value: Decimal
    after: str
    at: int


@dataclass(frozen=True, slots=True)
class Clause:
    """`text` has marks for names, dates and values in words; `concepts` are those of the named facts, `told` the values in words."""

    text: str
    concepts: frozenset[int]
    moments: tuple[Moment, ...]
    told: tuple[str, ...]
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """The claim: its clauses, and its text with marks."""

    text: str
    clauses: tuple[Clause, ...]


def taken_apart(text: str, facts: Sequence[Fact]) -> Said | None:
    """None where a date is none."""
    unmarked = re.sub(f"[{NAME}{DATE}{TOLD}]", "?", plain(text))
    marked, told = _without_told(_without_sources(unmarked, facts), facts)
    marked, concepts = _without_names(marked, facts)
    try:
        moments = [_moment(match) for match in _DATES.finditer(marked)]
    except ValueError:
        return None
    marked = _DATES.sub(DATE, marked)
    return Said(marked, tuple(_clauses(marked, concepts, moments, told)))


def _without_sources(text: str, facts: Sequence[Fact]) -> str:
    for host in {host for fact in facts for host in fact.sources}:
        text = text.replace(host, "medlineplus") if host else text
    return text


def _without_told(text: str, facts: Sequence[Fact]) -> tuple[str, list[str]]:
    """A value that is a text stands after a colon, as the record writes it, or nowhere."""
    values = sorted({told for fact in facts for told in fact.told}, key=len, reverse=True)
    if not values:
        return text, []
    pattern = re.compile(
        r"(?<=: )(?:" + "|".join(r"\W{0,3}" + _loosely(value) for value in values) + r")(?!\w)[)+\]]*"
    )
    found: list[str] = []

    def mark(match: re.Match[str]) -> str:
        found.append(fold(match.group()))
        return TOLD

    return pattern.sub(mark, text), found


def _without_names(text: str, facts: Sequence[Fact]) -> tuple[str, list[frozenset[int]]]:
    """The longest names first; each becomes a mark, and what it may name is kept in the order of the marks."""
    of: dict[str, set[int]] = {}
    for fact in facts:
        for name in fact.names:
            of.setdefault(name, set()).add(fact.concept)
    if not of:
        return text, []
    longest = sorted(of, key=len, reverse=True)
    pattern = re.compile(
        r"(?<![\w{])(?<!\d )(?:" + "|".join(_loosely(name) for name in longest) + r")s?(?!\w)\)?"
    )
    found: list[frozenset[int]] = []

    def mark(match: re.Match[str]) -> str:
        name = fold(match.group())
        found.append(frozenset(of.get(name) or of.get(name.removesuffix("s")) or ()))
        return NAME

    return pattern.sub(mark, text), found


def _loosely(name: str) -> str:
    """The words of a folded name, whatever stands between them."""
    return r"[^\w§]{1,9}".join(map(re.escape, name.split()))


def _moment(match: re.Match[str]) -> Moment:
    part = match.groupdict()
    year = next(int(part[k]) for k in ("y1", "y2", "y3", "y4", "y5") if part[k])
    named = next((part[k] for k in ("m1", "m2", "m4") if part[k]), None)
    month = _MONTH_OF[named] if named else int(part["m3"] or 0)
    day = next((int(part[k]) for k in ("d1", "d2", "d3") if part[k]), 0)
    if month > 12 or day > 31:
        raise ValueError("no such day")
    return Moment(year, month, day)


def _clauses(
    text: str, concepts: list[frozenset[int]], moments: list[Moment], told: list[str]
) -> list[Clause]:
    """Parted where a new statement begins; names and dates are handed out in their order."""
    found = []
    names, dates, values = iter(concepts), iter(moments), iter(told)
    for part in re.split(r"(?:;|\.(?=\s|$)|, (?:and|et|but|mais|while|when|which)\b| (?:and|et) in\b)", text):
        named = [next(names) for _ in range(part.count(NAME))]
        said = tuple(next(dates) for _ in range(part.count(DATE)))
        words = tuple(next(values) for _ in range(part.count(TOLD)))
        found.append(Clause(part, frozenset().union(*named), said, words, tuple(_numbers(part))))
    return found


def _numbers(text: str) -> list[Number]:
    return [
        Number(Decimal(m["number"].replace(",", ".")), (m["after"] or "").rstrip("."), m.start("number"))
        for m in NUMBERS.finditer(text)
    ]

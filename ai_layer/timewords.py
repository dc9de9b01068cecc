"""Words of time in a question: `last`, `since March`, `in 2019`, `trend`, `ever` -> a span, and which values are wanted. Pure.

English and French; what is not understood restricts nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from terminology.text import fold

MONTHS: dict[str, int] = {
    **{
        name: n
        for n, name in enumerate(
            [
                "january",
                "february",
                "march",
                "april",
                "may",
                "june",
                "july",
                "august",
                "september",
                "october",
                "november",
                "december",
            ],
            1,
        )
    },
    **{
        name: n
        for n, name in enumerate(
            [
                "janvier",
                "fevrier",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "aout",
                "septembre",
                "octobre",
                "novembre",
                "decembre",
            ],
            1,
        )
    },
}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_SINCE = re.compile(rf"\b(?:since|after|depuis|apres)\s+(?:(?P<month>{_MONTH})\s*)?(?P<year>(?:19|20)\d\d)?")
_IN = re.compile(rf"\b(?:in|during|en|pendant)\s+(?:(?P<month>{_MONTH})\s*)?(?P<year>(?:19|20)\d\d)?")
_BEFORE = re.compile(rf"\b(?:before|until|avant)\s+(?:(?P<month>{_MONTH})\s*)?(?P<year>(?:19|20)\d\d)?")
_SPAN = re.compile(
    r"\b(?:last|past|dernieres?|derniers?)\s+(?P<count>\d+)?\s*(?P<unit>day|week|month|year|jour|semaine|mois|an)"
)
_DAYS = {"day": 1, "jour": 1, "week": 7, "semaine": 7, "month": 31, "mois": 31, "year": 366, "an": 366}
_TREND = re.compile(
    r"\b(trend|over time|chang\w*|going (?:up|down)|gone (?:up|down)|improv\w*|better|worse|evolution|evolue\w*|history|tendance)\b"
)
_FIRST = re.compile(r"\b(first|earliest|premiere?|when did .* (?:start|begin))\b")


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """[since, until), either end open; `wants` is latest, trend or first."""

    since: datetime | None = None
    until: datetime | None = None
    wants: str = "latest"


def time_span(question: str, now: datetime) -> TimeSpan:
    """What the question says about time."""
    text = fold(question)
    wants = "trend" if _TREND.search(text) else "first" if _FIRST.search(text) else "latest"
    since, until = _relative(text, now) or _named(text, now)
    return TimeSpan(since, until, wants)


Ends = tuple[datetime | None, datetime | None]


def _relative(text: str, now: datetime) -> Ends | None:
    match = _SPAN.search(text)
    if match is None:
        return None
    return now - timedelta(days=int(match["count"] or 1) * _DAYS[match["unit"]]), None


def _named(text: str, now: datetime) -> Ends:
    if found := _month_or_year(_SINCE, text, now):
        return found[0], None
    if found := _month_or_year(_BEFORE, text, now):
        return None, found[0]
    if found := _month_or_year(_IN, text, now):
        return found
    return None, None


def _month_or_year(pattern: re.Pattern[str], text: str, now: datetime) -> tuple[datetime, datetime] | None:
    for match in pattern.finditer(text):
        month, year = match["month"], match["year"]
        if month or year:
            return _span(MONTHS[month] if month else 0, int(year) if year else 0, now)
    return None


def _span(month: int, year: int, now: datetime) -> tuple[datetime, datetime]:
    """A month without a year is the last one of that name."""
    if not month:
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    year = year or (now.year if month <= now.month else now.year - 1)
    start = datetime(year, month, 1, tzinfo=UTC)
    return start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)

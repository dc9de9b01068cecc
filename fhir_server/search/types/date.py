"""Search parameter type `date`.

An element is a half-open interval [lo, hi) as wide as its precision; so is the value asked for. The table says what each prefix
means for the two. https://hl7.org/fhir/R4/search.html#date and https://hl7.org/fhir/R4/search.html#prefix
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.r4.datatypes import Interval, parse_instant_or_partial
from fhir_server.search.types.asked import Asked, unescape
from fhir_server.sql import Fragment

Row = tuple[datetime, datetime]
"""lo, hi."""

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)


def rows(value: Any) -> Iterator[Row]:
    """One row a date, Period or Timing; a text that is no date writes none."""
    if isinstance(value, str):
        yield from _point(value)
    elif isinstance(value, dict):
        yield from _timing(value) if _TIMING & value.keys() else _period(value)


def _point(text: str) -> Iterator[Row]:
    try:
        found = parse_instant_or_partial(text)
    except ValueError:
        return
    yield found.lo, found.hi


def _period(value: dict[str, Any]) -> Iterator[Row]:
    start, end = (next(_point(str(value[key])), None) if key in value else None for key in ("start", "end"))
    if start or end:
        yield start[0] if start else BEGINNING, end[1] if end else END


_TIMING = frozenset(["event", "repeat", "code"])
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "wk": 604800, "mo": 2678400, "a": 31622400}
"""UCUM's units of time; a month and a year are taken at their longest, so that nothing is cut off."""


def _timing(value: dict[str, Any]) -> Iterator[Row]:
    """Only the outer limits: from the first to the last event and the bounds; without either it may be at any time."""
    repeat = value.get("repeat") if isinstance(value.get("repeat"), dict) else {}
    assert isinstance(repeat, dict)
    found = [row for event in value.get("event", ()) for row in _point(str(event))]
    bounds = repeat.get("boundsPeriod")
    found += list(_period(bounds)) if isinstance(bounds, dict) else []
    if not found:
        yield BEGINNING, END
        return
    lo = min(lo for lo, _ in found)
    yield lo, max(_plus(lo, _longest(repeat)), *(hi for _, hi in found))


def _longest(repeat: dict[str, Any]) -> timedelta:
    """How long the bounds last at most, where they are a duration or a range of them."""
    bounds = repeat.get("boundsDuration") or (repeat.get("boundsRange") or {}).get("high") or {}
    try:
        return timedelta(seconds=float(bounds["value"]) * _SECONDS[str(bounds["code"])])
    except (KeyError, TypeError, ValueError, OverflowError):
        return timedelta()


def where(asked: Asked) -> Fragment:
    """Compare the row's interval with the value's."""
    prefix, text = asked.prefix()
    try:
        # In a URL the plus sign of a time zone often arrives as a space.
        value = parse_instant_or_partial(unescape(text).replace(" ", "+"))
    except ValueError:
        raise asked.refuse(
            "a date such as 2024, 2024-05, 2024-05-03 or 2024-05-03T10:00:00Z, behind an optional prefix"
        ) from None
    return WHERE[prefix](asked, value)


def _compare(template: str, *names: str) -> Callable[[Asked, Interval], Fragment]:
    """A row of the table: `{lo}` and `{hi}` are the element's, the placeholders take the named ends of the value."""

    def fragment(asked: Asked, value: Interval) -> Fragment:
        text = template.format(lo=asked.column(asked_lo(asked)), hi=asked.column(asked_hi(asked)))
        return Fragment(text, tuple(getattr(value, name) for name in names))

    return fragment


def asked_lo(asked: Asked) -> str:
    """The column of the interval's start; composites keep dates apart from numbers."""
    return "from" if asked.component else "lo"


def asked_hi(asked: Asked) -> str:
    """The column of the interval's end."""
    return "to" if asked.component else "hi"


def _approximately(asked: Asked, value: Interval) -> Fragment:
    """Overlaps the value widened by a tenth of its distance from now."""
    slack = abs(asked.now - value.lo) / 10
    wide = Interval(_minus(value.lo, slack), _plus(value.hi, slack))
    return _compare("{lo} < %s AND {hi} > %s", "hi", "lo")(asked, wide)


def _minus(moment: datetime, slack: timedelta) -> datetime:
    return moment - slack if moment - BEGINNING > slack else BEGINNING


def _plus(moment: datetime, slack: timedelta) -> datetime:
    return moment + slack if END - moment > slack else END


WHERE: dict[str, Callable[[Asked, Interval], Fragment]] = {
    "eq": _compare("{lo} >= %s AND {lo} < %s AND {hi} <= %s", "lo", "hi", "hi"),
    "ne": _compare("NOT ({lo} >= %s AND {hi} <= %s)", "lo", "hi"),
    "gt": _compare("{hi} > %s", "hi"),
    "lt": _compare("{lo} < %s", "lo"),
    "ge": _compare("({lo} >= %s OR {hi} > %s)", "lo", "hi"),
    "le": _compare("({hi} <= %s OR {lo} < %s)", "hi", "lo"),
    "sa": _compare("{lo} >= %s", "hi"),
    "eb": _compare("{hi} <= %s", "lo"),
    "ap": _approximately,
}
MODIFIERS: tuple[str, ...] = ()

"""Dates and periods as half-open intervals of instants, for rules that hold for a time.

A date without a time zone is read as UTC. https://hl7.org/fhir/R4/datatypes.html#dateTime and #Period
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.access.truth import Truth, every

Interval = tuple[datetime, datetime]

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def interval(text: Any) -> Interval | None:
    """What a date, dateTime or instant covers: `2024-05` is the whole month; None where it is not one."""
    if not isinstance(text, str):
        return None
    try:
        return _day(text) if _DATE.fullmatch(text) else _instant(text)
    except (ValueError, OverflowError):
        return None


def _day(text: str) -> Interval:
    year, month, day = (int(part) for part in f"{text}-00-00".split("-")[:3])
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if year == LATEST.year:
        return start, LATEST
    if day:
        return start, start + timedelta(days=1)
    return start, datetime(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1, tzinfo=UTC)


def _instant(text: str) -> Interval | None:
    if not _INSTANT.fullmatch(text):
        return None
    found = datetime.fromisoformat(text)
    return found, found + (timedelta(microseconds=1) if "." in text else timedelta(seconds=1))


def span(period: Any) -> Interval | None:
    """A Period as an interval, open where it has no end; None where it is malformed."""
    if not isinstance(period, Mapping):
        return None
    start = interval(period["start"]) if "start" in period else (EARLIEST, EARLIEST)
    end = interval(period["end"]) if "end" in period else (LATEST, LATEST)
    return (start[0], end[1]) if start and end and start[0] < end[1] else None


def holds_at(period: Any, now: datetime) -> Truth:
    """The Period holds at this instant."""
    found = span(period)
    return None if found is None else found[0] <= now < found[1]


def contains(period: Any, inner: Interval | None) -> Truth:
    """The Period contains the interval; None where they merely overlap, or one of them is not known."""
    outer = span(period)
    if outer is None or inner is None:
        return None
    if inner[1] <= outer[0] or outer[1] <= inner[0]:
        return False
    return every([outer[0] <= inner[0] or None, inner[1] <= outer[1] or None])

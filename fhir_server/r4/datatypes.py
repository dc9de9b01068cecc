"""Dates as intervals: `2019-05` is the whole of May, half-open in UTC.

https://hl7.org/fhir/R4/datatypes.html#dateTime; a value without a time zone is taken as UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_LAST_START = LATEST - timedelta(microseconds=1)

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>\.\d+)?)?"
    r"(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?\Z",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """[lo, hi) in UTC, never empty. The ends are clamped to the years 1 to 9999, where a time zone may lead out of them."""

    lo: datetime
    hi: datetime


@lru_cache(maxsize=50_000)
def parse_instant_or_partial(text: str) -> Interval:
    """The interval of a date, dateTime or instant of any precision. Raises ValueError where it is none of them."""
    match = _DATE.match(text)
    if match is None:
        raise ValueError("not a FHIR date")
    part = match.groupdict()
    if part["hour"] is not None:
        return _moment(part)
    year, month, day = int(part["year"]), int(part["month"] or 1), int(part["day"] or 1)
    lo = datetime(year, month, day, tzinfo=UTC)
    if part["day"]:
        return Interval(lo, _plus(lo, timedelta(days=1)))
    if part["month"]:
        return Interval(lo, _start(year + month // 12, month % 12 + 1))
    return Interval(lo, _start(year + 1, 1))


def _start(year: int, month: int) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC) if year <= 9999 else LATEST


def _moment(part: dict[str, str | None]) -> Interval:
    leap = part["second"] == "60"
    fraction = (part["fraction"] or "")[1:7]
    year, month, day, hour, minute = (
        int(part[name] or 0) for name in ("year", "month", "day", "hour", "minute")
    )
    second = 59 if leap else int(part["second"] or 0)
    local = datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")) if fraction else 0)
    lo = _plus(local.replace(tzinfo=UTC), timedelta(seconds=leap) - _offset(part["zone"]))
    lo = min(lo, _LAST_START)
    return Interval(lo, _plus(lo, _width(part["second"], fraction)))


def _width(second: str | None, fraction: str) -> timedelta:
    if second is None:
        return timedelta(minutes=1)
    return timedelta(microseconds=10 ** (6 - len(fraction))) if fraction else timedelta(seconds=1)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError("not a time zone")
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


def _plus(moment: datetime, step: timedelta) -> datetime:
    try:
        return moment + step
    except OverflowError:
        return LATEST if step > timedelta() else EARLIEST

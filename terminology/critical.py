"""Critical values: limits beyond which laboratories call at once. data/lay/labs.json, each with its source; a few are set closer by
data/safety/danger.json, where a patient who asks is told first of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from terminology.coding import Coding
from terminology.lay_data import entry_for, read_json
from terminology.lay_entry import LayEntry, decimal_or_none
from terminology.ucum import convert


@dataclass(frozen=True, slots=True)
class Limits:
    """Below `low` or above `high` a value is critical; None where no limit is well established."""

    low: Decimal | None
    high: Decimal | None
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Critical:
    """A value beyond its limit: which side, and the limit in the unit of the value."""

    side: str
    limit: Decimal
    source: str


def critical(codings: Iterable[Coding], value: Decimal, unit: str) -> Critical | None:
    """Whether a value is critical; None where no limit is known, or the units do not meet."""
    for entry in filter(None, map(entry_for, codings)):
        limits = limits_of(entry)
        if limits is None or entry.lab is None:
            continue
        low, high = (
            None if end is None else convert(end, limits.unit, unit, entry.lab.analyte)
            for end in (limits.low, limits.high)
        )
        if low is not None and value < low:
            return Critical("low", low, limits.source)
        if high is not None and value > high:
            return Critical("high", high, limits.source)
    return None


def limits_of(entry: LayEntry) -> Limits | None:
    """The limits of an entry, the closer ones where there are such."""
    if entry.lab is None:
        return None
    closer = _closer().get(entry.id, {})
    low = decimal_or_none(closer.get("low")) or entry.lab.critical_low
    high = decimal_or_none(closer.get("high")) or entry.lab.critical_high
    if low is None and high is None:
        return None
    return Limits(low, high, entry.lab.unit, closer.get("source") or entry.lab.critical_source)


@cache
def _closer() -> dict[str, dict[str, str]]:
    return {row["entry"]: row for row in read_json("safety", "danger.json")["limits"]}

"""Fixed values, patterns, lengths and bounds of a value.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_ and pattern_x_
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_server.r4.datatypes import parse_instant_or_partial


def equals(value: Any, wanted: Any) -> bool:
    """Whether the value is exactly what is fixed: no member more, none less."""
    if isinstance(wanted, dict):
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(equals(value[k], w) for k, w in wanted.items())
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(equals, value, wanted))
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def contains(value: Any, wanted: Any) -> bool:
    """Whether the value has at least what the pattern has."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            k in value and contains(value[k], w) for k, w in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(contains(v, w) for v in value) for w in wanted)
    return equals(value, wanted)


def is_before(value: Any, bound: Any) -> bool:
    """Whether the value lies surely below the bound: numbers, dates, texts of dates, quantities of one unit."""
    if isinstance(value, dict) and isinstance(bound, dict):
        same = (value.get("system"), value.get("code")) == (bound.get("system"), bound.get("code"))
        return same and is_before(value.get("value"), bound.get("value"))
    if _is_number(value) and _is_number(bound):
        return Decimal(str(value)) < Decimal(str(bound))
    if isinstance(value, str) and isinstance(bound, str):
        return _is_earlier(value, bound)
    return False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_earlier(value: str, bound: str) -> bool:
    try:
        return parse_instant_or_partial(value).hi <= parse_instant_or_partial(bound).lo
    except ValueError:
        return len(value) == len(bound) and value < bound  # times of a day


def size_of(value: Any) -> int:
    """Characters of a text, 0 of anything else."""
    return len(value) if isinstance(value, str) else 0

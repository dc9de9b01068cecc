"""Search parameter type `quantity`.

`number`, `number|system|code` or `number||unit`. Where both sides speak UCUM they are compared in base units, so that
`5.4|http://unitsofmeasure.org|mg/dL` finds the same amount written in g/L. https://hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fhir_server.search.types import number
from fhir_server.search.types.asked import TERM, Asked, term
from fhir_server.sql import Fragment
from terminology.ucum import canonical_factor

UCUM = "http://unitsofmeasure.org"
CURRENCY = "urn:iso:std:iso:4217"

Row = tuple[str, str, str | None, Decimal | None, Decimal | None, Decimal | None, Decimal | None, str | None]
"""system, code, unit, lo, hi, canonical lo, canonical hi, canonical unit."""


def rows(value: Any) -> Iterator[Row]:
    """A Quantity, Money, Range (of the unit of its ends) or SampledData (its bounds)."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        yield from _row({}, value, value)
    elif isinstance(value, dict):
        yield from _complex(value)


def _complex(value: dict[str, Any]) -> Iterator[Row]:
    if "currency" in value:
        yield from _row(
            {"system": CURRENCY, "code": value["currency"]}, value.get("value"), value.get("value")
        )
    elif "low" in value or "high" in value:
        low, high = value.get("low") or {}, value.get("high") or {}
        yield from _row(low or high, low.get("value"), high.get("value"))
    elif "origin" in value:
        yield from _row(value["origin"], value.get("lowerLimit"), value.get("upperLimit"))
    elif "value" in value:
        yield from _row(value, *_bounded(value))


def _bounded(value: dict[str, Any]) -> tuple[Any, Any]:
    """`< 5` is everything below 5, not 5."""
    sign = str(value.get("comparator", ""))
    return (None if sign[:1] == "<" else value["value"], None if sign[:1] == ">" else value["value"])


def _row(unit: dict[str, Any], lo: Any, hi: Any) -> Iterator[Row]:
    if not all(v is None or isinstance(v, (int, Decimal)) for v in (lo, hi)) or lo is hi is None:
        return
    if not number.can_be_stored(lo) or not number.can_be_stored(hi):
        return
    low, high = (None if v is None else Decimal(v) for v in (lo, hi))
    system, code = str(unit.get("system", "")), str(unit.get("code", ""))
    factor = canonical_factor(code) if system == UCUM and code else None
    if factor is None:
        yield system, code, unit.get("unit"), low, high, None, None, None
        return
    times, plus, base = factor
    scaled = [None if v is None else number.scale(v, times, plus) for v in (low, high)]
    yield system, code, unit.get("unit"), low, high, scaled[0], scaled[1], base


def where(asked: Asked) -> Fragment:
    """By unit where one is asked for, else by number alone."""
    prefix, text = asked.prefix()
    parts = Asked(text, asked.name, asked.now).parts()
    try:
        value = number.parse(parts[0])
    except ValueError:
        raise asked.refuse("number, number|system|code or number||unit, behind an optional prefix") from None
    if len(parts) == 1 or not any(parts[1:]):
        return number.compare(prefix, asked.column("lo"), asked.column("hi"), value)
    if len(parts) != 3:
        raise asked.refuse("number|system|code; the system may be empty")
    return _with_unit(asked, prefix, value, parts[1], parts[2])


def _with_unit(asked: Asked, prefix: str, value: number.NumberValue, system: str, code: str) -> Fragment:
    factor = canonical_factor(code) if system == UCUM else None
    if factor is not None:
        times, plus, base = factor
        compared = number.compare(
            prefix, asked.column("canonical_lo"), asked.column("canonical_hi"), value.scaled(times, plus)
        )
        return term(asked.column("canonical_unit"), base) & compared
    compared = number.compare(prefix, asked.column("lo"), asked.column("hi"), value)
    if system:
        same = term(asked.column("system"), system)
        return (same & Fragment(f"{asked.column('code')} = %s", (code,)) if code else same) & compared
    named = f"({asked.column('code')} = %s OR {asked.column('unit')} = {TERM})"
    return Fragment(named, (code, code, code)) & compared


MODIFIERS: tuple[str, ...] = ()

"""Reading elements that may be missing or of the wrong form: then there is nothing, and nobody guesses.

https://hl7.org/fhir/R4/datatypes.html and https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from fhir_server.r4.datatypes import Interval, parse_instant_or_partial
from terminology.coding import codings_of

Json = dict[str, Any]
DAYS = {
    "d": 1,
    "day": 1,
    "days": 1,
    "wk": 7,
    "week": 7,
    "weeks": 7,
    "mo": 30,
    "month": 30,
    "months": 30,
    "a": 365,
}
"""Days in the units in which a supply is stated. http://unitsofmeasure.org"""
LONGEST_SUPPLY = 1000
"""Days; what is stated beyond that is taken for a mistake."""


def reference(resource: Json) -> str:
    """`Type/id/_history/version`; without the version where the resource has none."""
    version = (resource.get("meta") or {}).get("versionId")
    plain = f"{resource['resourceType']}/{resource['id']}"
    return f"{plain}/_history/{version}" if version else plain


def target(element: Any) -> str:
    """`Type/id` of a Reference element; empty where it has no literal reference."""
    literal = element.get("reference") if isinstance(element, dict) else None
    return literal.partition("/_history/")[0] if isinstance(literal, str) else ""


def plain(resource: Json) -> str:
    """`Type/id`."""
    return f"{resource['resourceType']}/{resource['id']}"


def elements(resource: Json, name: str) -> Iterator[Json]:
    """The objects of a repeating element."""
    found = resource.get(name)
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def part(resource: Json, name: str) -> Json:
    """An element that is an object; an empty one where it is missing."""
    found = resource.get(name)
    return found if isinstance(found, dict) else {}


def codes(concept: Any) -> frozenset[str]:
    """The codes of a CodeableConcept."""
    return frozenset(coding.code for coding in codings_of(concept) if coding.code)


def when(text: Any) -> Interval | None:
    """The interval of a date, dateTime or instant."""
    try:
        return parse_instant_or_partial(text) if isinstance(text, str) else None
    except ValueError:
        return None


def began(resource: Json, *names: str) -> datetime | None:
    """The first of these elements that holds a time: its beginning. A Period counts by its start."""
    for name in names:
        found = resource.get(name)
        interval = when(found.get("start", found.get("end")) if isinstance(found, dict) else found)
        if interval:
            return interval.lo
    return None


def number(value: Any) -> Decimal | None:
    """A decimal or integer."""
    is_number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    return Decimal(value) if is_number else None


def supply(quantity: Any) -> timedelta | None:
    """How long a supply lasts (`daysSupply`, `expectedSupplyDuration`); without a unit it is in days, as the name says."""
    if not isinstance(quantity, dict):
        return None
    value = number(quantity.get("value"))
    unit = str(quantity.get("code") or quantity.get("unit") or "d").lower()
    days = value * DAYS[unit] if value is not None and unit in DAYS else None
    return timedelta(days=float(days)) if days is not None and 0 < days <= LONGEST_SUPPLY else None

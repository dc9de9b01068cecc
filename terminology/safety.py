"""What a refill has to be checked against: severe interactions, allergies that cross, and what to monitor.

The tables stand in data/safety, by ingredient or drug class (terminology.lay), each row with its source and the file with its dates.
They are a net, not a pharmacist: what is not in them is not safe for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from terminology.drugs import classes_of
from terminology.text import fold
from terminology.ucum import convert

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """A result that a class calls for: LOINC codes, how old it may be, and its limits in `unit` (empty: as given)."""

    name: str
    codes: tuple[str, ...]
    days: int
    low: Decimal | None
    high: Decimal | None
    unit: str
    source: str

    def outside(self, observation: Json) -> str:
        """`above 5.5 mmol/L` or `below ...`; nothing where it is within the limits, or cannot be compared."""
        quantity = observation.get("valueQuantity", {})
        value = quantity.get("value")
        if not isinstance(value, (int, Decimal)):
            return ""
        code = quantity.get("code") or quantity.get("unit") or ""
        number = (
            convert(Decimal(value), code, self.unit, _ANALYTES.get(self.name))
            if self.unit and code
            else Decimal(value)
        )
        if number is None:
            return ""
        if self.high is not None and number > self.high:
            return f"above {self.high} {self.unit}".strip()
        return f"below {self.low} {self.unit}".strip() if self.low is not None and number < self.low else ""


_ANALYTES = {"potassium": "potassium", "creatinine": "creatinine", "cholesterol": "cholesterol"}


@cache
def _table(name: str) -> Json:
    found: Json = json.loads(resources.files("terminology").joinpath(f"data/safety/{name}.json").read_text())
    return found


def named(ingredients: Collection[str]) -> frozenset[str]:
    """What the tables may call these ingredients: themselves and their classes."""
    return frozenset(ingredients) | frozenset(classes_of(ingredients))


def interaction(first: Collection[str], second: Collection[str]) -> str:
    """Why the two should not be taken together without a clinician's word, or nothing; the order does not matter."""
    one, other = named(first), named(second)
    for row in _table("interactions")["pairs"]:
        if (row["first"] in one and row["second"] in other) or (
            row["second"] in one and row["first"] in other
        ):
            return f"{row['text']}."
    return ""


def cross_allergy(allergic_to: Collection[str], ingredients: Collection[str]) -> str:
    """Why an allergy to these ingredients or classes speaks against the medicine, or nothing."""
    allergens, medicine = named(allergic_to), named(ingredients)
    for row in _table("allergies")["crosses"]:
        if row["allergy"] in allergens and row["medicine"] in medicine:
            return f"{row['text']}."
    return ""


def classes_named(text: str) -> list[str]:
    """Drug classes that the words of an allergy name (`Allergy to penicillins`)."""
    folded = fold(text)
    rows = _table("allergies")["crosses"]
    return sorted(
        {
            row["allergy"]
            for row in rows
            if any(re.search(rf"\b{re.escape(fold(w))}\b", folded) for w in row["words"])
        }
    )


def monitoring(ingredients: Iterable[str]) -> list[Monitoring]:
    """What these ingredients call for."""
    wanted = named(list(ingredients))
    return [_monitoring(row) for row in _table("monitoring")["rules"] if row["class"] in wanted]


def _monitoring(row: Json) -> Monitoring:
    low, high = (None if row[end] is None else Decimal(row[end]) for end in ("low", "high"))
    return Monitoring(row["name"], tuple(row["codes"]), row["days"], low, high, row["unit"], row["source"])

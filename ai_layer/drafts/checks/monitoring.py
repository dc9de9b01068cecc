"""Check `monitoring`: the results that the medicine calls for are there, recent enough and within their limits.

Which results, how old they may be and their limits stand in terminology (data/safety/monitoring.json), critical values in the lay
entries of laboratory tests. A result that cannot be compared is not taken for a good one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from ai_layer.drafts.checks.finding import Finding, blocks, gravest, passes, unknown, warns
from ai_layer.drafts.checks.medicine import medicine_of
from ai_layer.drafts.checks.reading import Json, began, codes, number, part
from ai_layer.drafts.checks.record import RecordView
from terminology import lay, safety, ucum
from terminology.analytes import analyte_of
from terminology.coding import codings_of
from terminology.safety import Monitoring

FINAL = frozenset(["final", "amended", "corrected", "preliminary"])
Limits = tuple[Decimal | None, Decimal | None, str]
"""Low, high and their unit."""
FILTRATION = "mL/min/{1.73_m2}"
FILTRATION_SPELLINGS = frozenset(
    ["mL/min", "mL/min/1.73m2", "mL/min/1.73 m2", "mL/min/1.73.m2", "mL/min/1.73_m2"]
)
"""The tests are for 1.73 m2 by their codes, so these are spellings of one unit."""


def monitoring(view: RecordView) -> Finding:
    """The gravest of what each rule for the medicine finds."""
    medicine = medicine_of(view.order, view.medications)
    found = [_followed(rule, view) for rule in safety.monitoring(medicine.ingredients)]
    if not medicine.is_known:
        found.append(unknown("It is not known here what the medicine is made of.", view.order))
    if found:
        return gravest(found)
    return passes("No result has to be followed for this medicine, as far as is known here.", view.order)


def _followed(rule: Monitoring, view: RecordView) -> Finding:
    """What one rule finds in the last result."""
    last = _last(rule, view)
    if last is None:
        return unknown(f"The record has no {rule.name}, which this medicine calls for.", view.order)
    moment, result = last
    if view.now - moment > timedelta(days=rule.days):
        return warns(f"The last {rule.name} is more than {rule.days} days old.", result)
    if _outside(result, _critical(result)):
        return blocks(f"The last {rule.name} is at a critical value.", result)
    said = _outside(result, (rule.low, rule.high, rule.unit))
    if said is None:
        return unknown(f"The last {rule.name} cannot be compared with its limits.", result)
    if said:
        return warns(f"The last {rule.name} is {said}.", result)
    return passes(
        f"The last {rule.name} is {(view.now - moment).days} days old and within its limits.", result
    )


def _last(rule: Monitoring, view: RecordView) -> tuple[datetime, Json] | None:
    """The last result with a value, up to now."""
    wanted = set(rule.codes)
    dated = [
        (moment, each)
        for each in view.observations
        if codes(each.get("code")) & wanted
        and each.get("status") in FINAL
        and any(name.startswith("value") for name in each)
        and (moment := began(each, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"))
    ]
    past = [pair for pair in dated if pair[0] <= view.now]
    return max(past, key=lambda pair: pair[0]) if past else None


def _critical(result: Json) -> Limits:
    entry = lay.describe_any(codings_of(part(result, "code")))
    if entry is None or entry.lab is None:
        return None, None, ""
    return entry.lab.critical_low, entry.lab.critical_high, entry.lab.unit


def _outside(result: Json, limits: Limits) -> str | None:
    """`above 5.5 mmol/L`, `below ...`, nothing within the limits, None where it cannot be compared."""
    low, high, unit = limits
    if low is None and high is None:
        return ""
    value = _value(result, unit)
    if value is None:
        return None
    comparator = part(result, "valueQuantity").get("comparator", "")
    if high is not None and (value > high or (value == high and comparator == ">")):
        return None if comparator in ("<", "<=") else f"above {high} {unit}".strip()
    if low is not None and (value < low or (value == low and comparator == "<")):
        return None if comparator in (">", ">=") else f"below {low} {unit}".strip()
    is_open = (comparator in ("<", "<=") and low is not None) or (
        comparator in (">", ">=") and high is not None
    )
    return None if is_open else ""


def _value(result: Json, unit: str) -> Decimal | None:
    """The value in the unit of the limits; as given where the limits have none."""
    quantity = part(result, "valueQuantity")
    value, given = number(quantity.get("value")), str(quantity.get("code") or quantity.get("unit") or "")
    if value is None or not unit or unit.startswith("{"):
        return value
    if unit == FILTRATION and given in FILTRATION_SPELLINGS:
        return value
    analyte = next(filter(None, map(analyte_of, codings_of(part(result, "code")))), None)
    return ucum.convert(value, given, unit, analyte) if given else None

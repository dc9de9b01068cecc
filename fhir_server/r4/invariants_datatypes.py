"""Invariants of datatypes. https://hl7.org/fhir/R4/datatypes.html"""

from __future__ import annotations

from fhir_server.r4.invariant_forms import (
    UCUM,
    Object,
    Rule,
    all_of,
    any_of,
    is_after,
    needs,
    not_both,
    one_of,
    when,
)

_NO_VALUE = frozenset(["url", "_url", "id", "extension"])


def _is_extension(value: Object) -> bool:
    """Members beside these are a value, since unknown ones are refused before."""
    return ("extension" in value) == (value.keys() <= _NO_VALUE)


def _is_ordered(value: Object) -> bool:
    """Low and high are compared where their units are the same."""
    low, high = value.get("low"), value.get("high")
    if not isinstance(low, dict) or not isinstance(high, dict) or "value" not in low or "value" not in high:
        return True
    is_one_unit = all(low.get(name) == high.get(name) for name in ("system", "code", "unit"))
    return not is_one_unit or bool(low["value"] <= high["value"])


def _is_ratio(value: Object) -> bool:
    has_numerator, has_denominator = "numerator" in value, "denominator" in value
    return has_numerator == has_denominator and (has_numerator or "extension" in value)


def _is_ucum(value: Object) -> bool:
    return bool(value.get("system", UCUM) == UCUM)


def _is_offset(value: Object) -> bool:
    """An offset is from an event that is no meal as a whole."""
    return "offset" not in value or ("when" in value and not set(value["when"]) & {"C", "CM", "CD", "CV"})


_UCUM = Rule(_is_ucum, "The system is UCUM.")

DATATYPES: dict[str, Rule] = {
    "ext-1": Rule(_is_extension, "An extension has either a value or extensions of its own."),
    "att-1": needs("data", "contentType"),
    "cpt-2": needs("value", "system"),
    "exp-1": any_of("expression", "reference"),
    "per-1": Rule(lambda v: not is_after(v.get("start"), v.get("end")), "A period starts before it ends."),
    "rng-2": Rule(_is_ordered, "The low end is not above the high end."),
    "rat-1": Rule(_is_ratio, "numerator and denominator stand together; an extension may stand for both."),
    # quantities
    "qty-3": needs("code", "system"),
    "age-1": all_of(
        _UCUM, needs("value", "code"), Rule(lambda v: v.get("value", 1) > 0, "An age is above zero.")
    ),
    "cnt-3": all_of(
        _UCUM,
        needs("value", "code"),
        Rule(lambda v: v.get("code", "1") == "1", "The code is 1."),
        Rule(lambda v: "." not in str(v.get("value", 1)), "A count is whole."),
    ),
    "dis-1": all_of(_UCUM, needs("value", "code")),
    "drt-1": all_of(needs("code", "system", "value"), _UCUM),
    # timing
    "tim-1": needs("duration", "durationUnit"),
    "tim-2": needs("period", "periodUnit"),
    "tim-4": Rule(lambda v: v.get("duration", 0) >= 0, "A duration is not below zero."),
    "tim-5": Rule(lambda v: v.get("period", 0) >= 0, "A period is not below zero."),
    "tim-6": needs("periodMax", "period"),
    "tim-7": needs("durationMax", "duration"),
    "tim-8": needs("countMax", "count"),
    "tim-9": Rule(_is_offset, "offset stands with a when that is not C, CM, CD or CV."),
    "tim-10": not_both("timeOfDay", "when"),
    # metadata
    "drq-1": one_of("path", "searchParam"),
    "drq-2": one_of("path", "searchParam"),
    "trd-1": not_both("data", "timing[x]"),
    "trd-2": needs("condition", "data"),
    "trd-3": all_of(
        when("type", "named-event", any_of("name")),
        when("type", "periodic", any_of("timing[x]")),
        when(
            "type",
            "data-changed data-added data-modified data-removed data-accessed data-access-ended",
            any_of("data"),
        ),
    ),
    "org-2": Rule(lambda v: v.get("use") != "home", "An organization has no home address."),
    "org-3": Rule(lambda v: v.get("use") != "home", "An organization has no home telecom."),
    "ras-1": Rule(
        lambda v: all(map(_is_percent, (v.get("low"), v.get("high")))), "The ends are percents in UCUM's %."
    ),
}


def _is_percent(quantity: Object | None) -> bool:
    return quantity is None or (quantity.get("code") == "%" and quantity.get("system") == UCUM)

"""Units: what can be converted, what cannot, and there and back again. https://ucum.org/ucum"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from terminology.ucum import canonical, convert

LIKE = [
    ("mg/dL", "g/L"),
    ("10*3/uL", "10*9/L"),
    ("mm[Hg]", "kPa"),
    ("[lb_av]", "kg"),
    ("[in_i]", "cm"),
    ("[degF]", "Cel"),
    ("Cel", "K"),
    ("wk", "d"),
    ("g/dL", "g/L"),
]
amounts = some.decimals(min_value=Decimal("0.01"), max_value=10_000, places=2)


@pytest.mark.parametrize(
    ("value", "unit", "other", "analyte", "wanted"),
    [
        ("37", "Cel", "[degF]", None, "98.6"),
        ("98.6", "[degF]", "Cel", None, "37"),
        ("0", "Cel", "K", None, "273.15"),
        ("120", "mm[Hg]", "kPa", None, "15.9986864898"),
        ("7", "10*3/uL", "10*9/L", None, "7"),
        ("100", "mg/dL", "mmol/L", "glucose", "5.55074"),
        ("1.2", "mg/dL", "umol/L", "creatinine", "106.082"),
        ("4", "meq/L", "mmol/L", "potassium", "4"),
    ],
)
def test_an_amount_in_another_unit(
    value: str, unit: str, other: str, analyte: str | None, wanted: str
) -> None:
    assert convert(Decimal(value), unit, other, analyte) == Decimal(wanted)


@pytest.mark.parametrize(
    ("unit", "other"),
    [
        ("mg", "mL"),
        ("meq/L", "mmol/L"),
        ("mg/dL", "mmol/L"),
        ("%", "mmol/mol"),
        ("mL/min/{1.73_m2}", "mL/min"),
        ("U/L", "[IU]/L"),
        ("foo", "mg"),
        ("mg", "foo"),
    ],
)
def test_what_does_not_measure_the_same_is_not_converted(unit: str, other: str) -> None:
    assert convert(Decimal(1), unit, other) is None


@given(amounts, some.sampled_from(LIKE))
def test_there_and_back_is_the_same_amount(value: Decimal, units: tuple[str, str]) -> None:
    there = convert(value, *units)
    assert there is not None
    back = convert(there, *reversed(units))
    assert back is not None
    assert abs(back - value) <= abs(value) * Decimal("1e-6") + Decimal("1e-5")


@given(amounts, some.sampled_from(LIKE))
def test_two_units_of_one_kind_have_one_canonical_unit(value: Decimal, units: tuple[str, str]) -> None:
    found = [canonical(value, unit) for unit in units]
    assert None not in found
    assert len({each[1] for each in found if each}) == 1

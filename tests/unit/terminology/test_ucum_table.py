"""The table of common units says what the library says, and what is refused without the library is refused by it too."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from terminology import ucum
from terminology.ucum_table import is_spelled, scales


def test_each_unit_of_the_table_has_the_scale_that_the_library_computes() -> None:
    assert len(scales()) > 850
    assert {code: ucum.computed_scale(code) for code in scales()} == scales()


@pytest.mark.parametrize(
    "code", ["MCG", "(score)", "mg per dL", "mmHg2x", "µg", "", "/", "{annot", "°C", "tablet"]
)
def test_what_is_no_unit_is_refused_at_once_and_by_the_library(code: str) -> None:
    assert not is_spelled(code)
    assert code in ("", "/") or ucum.computed_scale(code) is None


@pytest.mark.parametrize(
    "code", ["kcal/(24.h)", "u[IU]/mL", "10*3/uL", "m[H2O]", "[in_i'H2O]", "mol.kg-1.s-1", "dag/dl"]
)
def test_units_outside_the_table_reach_the_library(code: str) -> None:
    assert is_spelled(code)
    assert ucum.is_unit(code)


def test_everyday_units_need_no_registry() -> None:
    said = (
        "from terminology import ucum; import sys;"
        "print([ucum.is_unit(c) for c in ('mg/dL', '{score}', 'mm[Hg]', 'MCG', '/min')], 'pint' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[True, True, True, False, True] False"


def test_a_litre_may_have_a_small_letter() -> None:
    assert ucum.canonical(Decimal(5), "mmol/l") == ucum.canonical(Decimal(5), "mmol/L")

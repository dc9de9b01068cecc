"""Units of measure: parse, canonical form and conversion of UCUM codes, by the library `ucumvert` (over pint).

Two quantities may be compared when their canonical units are the same text. Where UCUM's own algebra would
compare what a clinician must not, the canonical unit keeps a mark: equivalents and osmoles are not moles
(meq/L is not mmol/L), arbitrary units such as [IU] are not counts, mol/mol is not mass/mass, and an
annotation that holds a number ({1.73_m2}) stays. Other annotations mean nothing, as UCUM says.
https://ucum.org/ucum  https://hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from terminology.ucum_table import Scale, is_spelled, scales

MAX_CODE_LENGTH: Final = 60
CODES_KEPT: Final = 4096
DIGITS: Final = Context(prec=12)
AFTER_OFFSET: Final = Context(prec=9)
"""Offsets are 12 digits themselves; what is left of them after a subtraction has fewer."""

ANNOTATION = re.compile(r"\{[^{}]*\}")
LONG_NUMBER = re.compile(r"[0-9]{5}")
OWN_KIND = re.compile(
    r"(?P<over>/?)(?:da|[a-zA-Z])?(?P<atom>\[(?:[^\]]*'?U|[A-Z]CID_50|EID_50|IR|PNU|Lf|[HL]PF)\])"
)
NOT_MOLES = re.compile(r"(?<![A-Za-z\[])(?:da|[a-zA-Z])?(?P<name>eq|osm)(?![A-Za-z\[\]_'])")
MOLES = re.compile(r"(?<![A-Za-z\[])(?:da|[a-zA-Z])?mol(?![A-Za-z\[\]_'])")
SYMBOLS: Final = {
    "kilogram": "kg",
    "meter": "m",
    "second": "s",
    "mole": "mol",
    "kelvin": "K",
    "ampere": "A",
    "candela": "cd",
    "radian": "rad",
    "bit": "bit",
}


class Canonical(NamedTuple):
    """value in canonical units = value * factor + offset; `offset` is 0 but for temperatures."""

    factor: Decimal
    offset: Decimal
    unit: str


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The value in canonical units and their text; None for what is no UCUM unit or has no linear scale."""
    found = canonical_factor(code)
    return None if found is None else (value * found.factor + found.offset, found.unit)


@lru_cache(maxsize=CODES_KEPT)
def canonical_factor(code: str) -> Canonical | None:
    """How to bring values of this unit to canonical units, kept for each code (parsing costs about 1 ms)."""
    if not code or len(code) > MAX_CODE_LENGTH or LONG_NUMBER.search(code):
        return None
    if code == "[pH]":
        return Canonical(Decimal(1), Decimal(0), "[pH]")
    bare = without_annotations(code)
    scale = linear_scale(bare)
    if scale is None:
        return None
    factor, offset, base = scale
    unit = with_marks(base, code, bare)
    return None if unit is None else Canonical(factor, offset, unit)


def convert(value: Decimal, from_unit: str, to_unit: str, analyte: str | None = None) -> Decimal | None:
    """The value in `to_unit`, to 12 digits (temperatures: 9); None where the units do not measure the same thing.

    Mass, moles and equivalents meet only through an analyte (`glucose`, `hemoglobin-a1c`): see analytes.py.
    """
    if from_unit == to_unit:
        return value
    from terminology import analytes

    if analyte and (found := analytes.convert(value, from_unit, to_unit, analyte)) is not None:
        return found
    return convert_same_kind(value, from_unit, to_unit)


def convert_same_kind(value: Decimal, from_unit: str, to_unit: str) -> Decimal | None:
    """Conversion between two units with one canonical unit."""
    here, there = canonical_factor(from_unit), canonical_factor(to_unit)
    if here is None or there is None or here.unit != there.unit:
        return None
    digits = AFTER_OFFSET if here.offset != there.offset else DIGITS
    return tidy(digits.divide(value * here.factor + here.offset - there.offset, there.factor))


def is_unit(code: str) -> bool:
    """True for a code that UCUM knows and we can canonicalise."""
    return canonical_factor(code) is not None


def without_annotations(code: str) -> str:
    """`mL/min/{1.73_m2}` -> `mL/min`; a lone annotation is the unit 1."""
    bare = ANNOTATION.sub(lambda m: "" if continues(code, m.start()) else "1", code)
    return bare if bare not in {"", "/"} else "1"


def continues(code: str, start: int) -> bool:
    """True when the annotation hangs on the unit before it (`ug{FEU}`), false when it is a term of its own."""
    return start > 0 and code[start - 1] not in "/.("


def linear_scale(code: str) -> Scale | None:
    """Factor, offset and base units. None for invalid codes and for logarithmic scales."""
    return scales().get(code) or (computed_scale(code) if is_spelled(code) else None)


def computed_scale(code: str) -> Scale | None:
    """The scale by the library; the first one reads its registry."""
    try:
        units = registry().from_ucum(code)
        zero, one, two = (base_quantity(units, number) for number in (0, 1, 2))
        base = "".join(sorted_terms(one)) or "1"
        offset = exact(zero.magnitude)
        factor, step = (exact(b.magnitude - a.magnitude, 12) for a, b in ((zero, one), (one, two)))
        factor = factor if offset else exact(one.magnitude)
    except Exception:  # lark, pint and arithmetic each have their own errors; all mean: not a unit for us
        return None
    return (factor, offset, base) if factor != 0 and abs(step / factor - 1) < Decimal("1e-9") else None


def base_quantity(units: Any, number: int) -> Any:
    """So many of this unit, in base units."""
    return registry().Quantity(number * units.magnitude, units.units).to_base_units()


def sorted_terms(quantity: Any) -> list[str]:
    """`kg.m-3` as a list of terms, so that one unit always has one text."""
    terms = sorted((SYMBOLS.get(name, name), int(power)) for name, power in quantity.unit_items())
    return [
        f"{'.' if position else ''}{name}{'' if power == 1 else power}"
        for position, (name, power) in enumerate(terms)
    ]


def exact(number: Any, digits: int = 15) -> Decimal:
    """The decimal that 15 digits show: 0.009999999999999998 is 0.01."""
    return Decimal(f"{float(number):.{digits}g}")


def tidy(number: Decimal) -> Decimal:
    """Without the zeros that only arithmetic has put at the end: 37.0000000000 is 37."""
    short = number.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral() and abs(short) < 10**12 else short


def with_marks(base: str, code: str, bare: str) -> str | None:
    """The canonical unit's text with the marks that keep unlike things apart; None when they do not resolve."""
    names = {match["name"] for match in NOT_MOLES.finditer(bare)}
    if len(names) > 1 or (names and MOLES.search(bare)):
        return None
    for name in names:
        base = base.replace("mol", name)
    if base == "1" and len(MOLES.findall(bare)) == 2:
        base = "mol/mol"
    atoms = sorted(match["over"] + match["atom"].replace("iU", "IU") for match in OWN_KIND.finditer(bare))
    if atoms and "(" in bare:
        return None
    numbers = sorted(text for text in ANNOTATION.findall(code) if any(c.isdigit() for c in text))
    kept = ("{" + re.sub(r"[^0-9A-Za-z]", "", text) + "}" for text in numbers)
    return base + "".join(atoms) + "".join(kept)


@cache
def registry() -> Any:
    """pint's registry with UCUM names: read on first use, 0.4 to 1.2 s."""
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()

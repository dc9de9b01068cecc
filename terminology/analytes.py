"""Analytes: what joins mass, moles and equivalents of one substance.

100 mg/dL of glucose are 5.55 mmol/L, of cholesterol 2.59: only the analyte's molar mass can say so. Hemoglobin
A1c has an equation of its own. Facts: data/analytes.json, each with its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import cache

from terminology.coding import Coding
from terminology.lay_data import entry_for, read_json
from terminology.lay_entry import Range
from terminology.ucum import convert_same_kind, tidy

DIGITS = Context(prec=6)


@dataclass(frozen=True, slots=True)
class Analyte:
    """A substance. `molar_mass` in g/mol; `valence` in equivalents a mole; `line` = second unit from first."""

    name: str
    source: str
    molar_mass: Decimal | None = None
    valence: Decimal | None = None
    line: tuple[str, str, Decimal, Decimal] | None = None
    conventional: str = ""
    si: str = ""


def analyte_of(coding: Coding) -> str | None:
    """The analyte slug that a test measures, where we hold one."""
    entry = entry_for(coding)
    return entry.lab.analyte if entry and entry.lab else None


def convert(value: Decimal, from_unit: str, to_unit: str, analyte: str) -> Decimal | None:
    """Between mass, moles and equivalents of an analyte, to 6 digits; None where no fact joins the units."""
    facts = analytes().get(analyte)
    if facts is None:
        return None
    if facts.line:
        return along_line(value, from_unit, to_unit, facts.line)
    return across(value, from_unit, to_unit, steps(facts))


def steps(facts: Analyte) -> list[tuple[str, str, Decimal]]:
    """Pairs of units with their factor: one `g` is 1/molar mass `mol`, one `mol` is its valence in `eq`."""
    found = []
    if facts.molar_mass:
        found += [("g/L", "mol/L", 1 / facts.molar_mass), ("mol/L", "g/L", facts.molar_mass)]
    if facts.valence:
        found += [("mol/L", "eq/L", facts.valence), ("eq/L", "mol/L", 1 / facts.valence)]
    if facts.molar_mass and facts.valence:
        grams = facts.valence / facts.molar_mass
        found += [("g/L", "eq/L", grams), ("eq/L", "g/L", 1 / grams)]
    return found


def across(
    value: Decimal, from_unit: str, to_unit: str, pairs: list[tuple[str, str, Decimal]]
) -> Decimal | None:
    for first, second, factor in pairs:
        here = convert_same_kind(value, from_unit, first)
        there = None if here is None else convert_same_kind(here * factor, second, to_unit)
        if there is not None:
            return tidy(DIGITS.plus(there))
    return None


def along_line(
    value: Decimal, from_unit: str, to_unit: str, line: tuple[str, str, Decimal, Decimal]
) -> Decimal | None:
    """`second = slope * first + intercept`, in either direction, between exactly these two units."""
    first, second, slope, intercept = line
    if (from_unit, to_unit) == (first, second):
        return tidy(DIGITS.plus(slope * value + intercept))
    if (from_unit, to_unit) == (second, first):
        return tidy(DIGITS.divide(value - intercept, slope))
    return None


def range_in(known: Range, unit: str, analyte: str | None) -> Range | None:
    """A reference range said in another unit; None where the units do not meet."""
    from terminology.ucum import convert as convert_units

    limits = [
        None if limit is None else convert_units(limit, known.unit, unit, analyte)
        for limit in (known.low, known.high)
    ]
    given = (known.low, known.high)
    if any(limit is None and old is not None for limit, old in zip(limits, given, strict=True)):
        return None
    return replace(known, low=limits[0], high=limits[1], unit=unit)


@cache
def analytes() -> Mapping[str, Analyte]:
    rows = read_json("analytes.json")["analytes"]
    return {name: parse_analyte(name, row) for name, row in rows.items()}


def parse_analyte(name: str, row: Mapping[str, str]) -> Analyte:
    line = None
    if "slope" in row:
        line = (row["conventional"], row["si"], Decimal(row["slope"]), Decimal(row["intercept"]))
    return Analyte(
        name=name,
        source=row["source"],
        molar_mass=Decimal(row["molar_mass"]) if "molar_mass" in row else None,
        valence=Decimal(row["valence"]) if "valence" in row else None,
        line=line,
        conventional=row["conventional"],
        si=row["si"],
    )

"""LayEntry: what a code means in plain words, the page that it is to be checked against, and when it was written.

The data stands in data/lay/*.json, one file a kind. Every sentence is ours; `reviewed` is the day on which a clinician
held it against `source`, and None until then. docs: docs/clinical-review.md and terminology/data/SOURCES.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from terminology.coding import Coding

Words = Mapping[str, str]
"""A text by language code: `en` always, `fr` for every entry we ship."""


class Kind(StrEnum):
    LAB = "lab"
    VITAL = "vital"
    CONDITION = "condition"
    MEDICATION = "medication"
    PROCEDURE = "procedure"
    IMMUNIZATION = "immunization"
    ALLERGEN = "allergen"
    PANEL = "panel"


@dataclass(frozen=True, slots=True)
class Range:
    """Usual adult values: `low` and `high` belong to the range; None means that side is open.

    `basis` is `reference` (where most healthy adults lie), `desirable` (a limit that guidelines advise) or
    `therapeutic` (for people who take the drug). `condition` says when it holds: `fasting`, `no-warfarin`.
    """

    low: Decimal | None
    high: Decimal | None
    unit: str
    source: str
    basis: str = "reference"
    condition: str | None = None
    sex: str | None = None
    min_age: int = 18
    max_age: int | None = None

    def covers(self, sex: str | None, age_years: float | None) -> bool:
        if self.sex is not None and self.sex != sex:
            return False
        if age_years is None:
            return self.min_age <= 18 and self.max_age is None
        return self.min_age <= age_years and (self.max_age is None or age_years < self.max_age + 1)


@dataclass(frozen=True, slots=True)
class LabFacts:
    """What a measurement's values may mean. Critical limits are None where none is well established."""

    analyte: str | None
    unit: str
    ranges: tuple[Range, ...] = ()
    critical_low: Decimal | None = None
    critical_high: Decimal | None = None
    critical_source: str = ""
    high: Words | None = None
    low: Words | None = None


@dataclass(frozen=True, slots=True)
class PregnancyConcern:
    """What a label says on use in pregnancy: `contraindicated` or `caution`."""

    level: str
    source: str


@dataclass(frozen=True, slots=True)
class DrugFacts:
    """An ingredient's classes (machine slugs such as `ace-inhibitor`) and legal schedule (`C-II`...)."""

    ingredient: str
    classes: tuple[str, ...]
    words: tuple[str, ...]
    schedule: str | None = None
    pregnancy: PregnancyConcern | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LayEntry:
    """One concept in plain words. `id` is stable and unique: `lab/hemoglobin-a1c`.

    Entries are read once, so an entry equals only itself and can stand in sets.
    """

    id: str
    kind: Kind
    category: str
    codings: tuple[Coding, ...]
    name: Words
    about: Words
    synonyms: Mapping[str, tuple[str, ...]]
    source: str
    written: date
    reviewed: date | None
    lab: LabFacts | None = None
    drug: DrugFacts | None = None

    def name_in(self, language: str = "en") -> str:
        return in_language(self.name, language)

    def about_in(self, language: str = "en") -> str:
        return in_language(self.about, language)


def in_language(words: Words, language: str) -> str:
    """The text in this language (`fr-CA` finds `fr`), else in English."""
    return words.get(language.lower().split("-")[0], words["en"])


def parse_entry(kind: Kind, system: str, row: Mapping[str, Any]) -> LayEntry:
    """A row of data/lay/*.json as a LayEntry."""
    codings = [Coding(system, code) for code in row["codes"]]
    codings += [Coding(other, code) for other, codes in row.get("also", {}).items() for code in codes]
    return LayEntry(
        id=f"{kind}/{row['id']}",
        kind=kind,
        category=row["category"],
        codings=tuple(codings),
        name=row["name"],
        about=row["about"],
        synonyms={language: tuple(words) for language, words in row["synonyms"].items()},
        source=row["source"],
        written=date.fromisoformat(row["written"]),
        reviewed=date.fromisoformat(row["reviewed"]) if row["reviewed"] else None,
        lab=parse_lab(row["lab"]) if "lab" in row else None,
        drug=parse_drug(row["id"], row["drug"]) if "drug" in row else None,
    )


def parse_lab(row: Mapping[str, Any]) -> LabFacts:
    source = row.get("range_source", "")
    return LabFacts(
        analyte=row.get("analyte"),
        unit=row["unit"],
        ranges=tuple(parse_range(each, row["unit"], source) for each in row.get("ranges", ())),
        critical_low=decimal_or_none(row.get("critical_low")),
        critical_high=decimal_or_none(row.get("critical_high")),
        critical_source=row.get("critical_source", ""),
        high=row.get("high"),
        low=row.get("low"),
    )


def parse_range(row: Mapping[str, Any], unit: str, source: str) -> Range:
    return Range(
        low=decimal_or_none(row.get("low")),
        high=decimal_or_none(row.get("high")),
        unit=unit,
        source=source,
        basis=row.get("basis", "reference"),
        condition=row.get("condition"),
        sex=row.get("sex"),
        min_age=row.get("min_age", 18),
        max_age=row.get("max_age"),
    )


def parse_drug(ingredient: str, row: Mapping[str, Any]) -> DrugFacts:
    pregnancy = row.get("pregnancy")
    return DrugFacts(
        ingredient=ingredient,
        classes=tuple(row["classes"]),
        words=tuple(row["words"]),
        schedule=row.get("schedule"),
        pregnancy=PregnancyConcern(pregnancy["level"], pregnancy["source"]) if pregnancy else None,
    )


def decimal_or_none(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

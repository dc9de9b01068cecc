"""Plain words for codes: the door through which other packages ask.

    describe(LOINC, "4548-4").name_in("fr")         a code's entry, or None: then say the display, and say so
    drug_classes(codings, text)                     class slugs of a medication
    reference_range(coding, "female", 44)           the usual adult range where an Observation has none
    find_term("what does HDL mean?", "en")          entries that a question names

Facts and sentences stand in data/lay/*.json with their source and their dates.
"""

from __future__ import annotations

from collections.abc import Iterable

from terminology.coding import LOINC, Coding
from terminology.drugs import classes_of, drug_classes, facts_of, ingredients_of, names_all
from terminology.lay_data import by_code, by_id, entries, entry_for
from terminology.lay_entry import DrugFacts, Kind, LabFacts, LayEntry, PregnancyConcern, Range
from terminology.lay_search import find_term

__all__ = [
    "DrugFacts",
    "Kind",
    "LabFacts",
    "LayEntry",
    "PregnancyConcern",
    "Range",
    "classes_of",
    "describe",
    "describe_any",
    "describe_mixture",
    "drug_classes",
    "entries",
    "facts_of",
    "find_term",
    "ingredients_of",
    "names_all",
    "reference_range",
    "synonyms",
]


def describe(system: str, code: str) -> LayEntry | None:
    """The entry of a code. A clinical drug of one ingredient is told by that ingredient's entry."""
    return by_code().get((system, code)) or of_single_ingredient((Coding(system, code),))


def describe_any(codings: Iterable[Coding], text: str = "") -> LayEntry | None:
    """The first coding with an entry; else, for a medication, the one ingredient that its words name.

    What LOINC codes is measured, not taken: `Folate in red cells` is no folic acid."""
    codings = tuple(codings)
    known = next((entry for coding in codings if (entry := entry_for(coding))), None)
    is_measured = any(coding.system == LOINC for coding in codings)
    return known if known or is_measured else of_single_ingredient(codings, text)


def describe_mixture(codings: Iterable[Coding], text: str = "") -> tuple[LayEntry, ...]:
    """The entries of a medication's ingredients, where it has several and all that its words name are known."""
    codings = tuple(codings)
    found = ingredients_of(codings, text)
    if len(found) < 2 or any(coding.system == LOINC for coding in codings):
        return ()
    is_whole = all(names_all(said, found) for said in (*(c.display for c in codings), text) if said)
    parts = tuple(by_id()[f"{Kind.MEDICATION}/{name}"] for name in found)
    return parts if is_whole else ()


def of_single_ingredient(codings: tuple[Coding, ...], text: str = "") -> LayEntry | None:
    ingredients = ingredients_of(codings, text)
    return by_id().get(f"{Kind.MEDICATION}/{ingredients[0]}") if len(ingredients) == 1 else None


def reference_range(coding: Coding, sex: str | None, age_years: float | None) -> Range | None:
    """The usual adult range for this test, in the entry's own unit.

    `sex` is a FHIR administrative gender. None when the age is unknown or below 18, when the range depends
    on a sex that is not known, or when we hold none: the reader is then told that no range is known.
    """
    entry = entry_for(coding)
    if entry is None or entry.lab is None or age_years is None:
        return None
    return next((each for each in entry.lab.ranges if each.covers(sex, age_years)), None)


def synonyms(entry: LayEntry, language: str = "en") -> tuple[str, ...]:
    """What patients call it: the name first, then the lay synonyms of this language."""
    words = entry.synonyms.get(language.lower().split("-")[0], ())
    return tuple(dict.fromkeys((entry.name_in(language), *words)))

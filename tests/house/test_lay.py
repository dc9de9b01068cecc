"""Every plain-word entry has its source and its day, is told in English and French, and is easy to read.

Reading grade: Flesch-Kincaid, with syllables counted by groups of vowels; terminology/data/SOURCES.md says where entries come from.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from terminology.coding import OID_TO_SYSTEM
from terminology.drugs import codes
from terminology.lay import Kind, LayEntry, entries, facts_of
from terminology.lay_data import FILES
from terminology.lay_search import STOP_WORDS
from terminology.text import fold
from terminology.ucum import convert

HIGHEST_GRADE = 8
LONGEST_SENTENCE = 25
FIRST_DAY = date(2026, 11, 1)
CROWD = 5
PUBLIC = re.compile(r"https://([a-z0-9-]+\.)*(gov|govinfo\.gov)/\S*")
SPEAKS_OF_READER = re.compile(r"\byou (have|suffer)\b|\bvous (avez|souffrez)\b|\b\d+ ?mg\b", re.IGNORECASE)
TOO_GENERAL = {
    "blood", "pressure", "test", "tests", "level", "number", "result", "shot", "shots", "vaccine", "pain", "pill", "heart",
    "sang", "pression", "vaccin", "piqûre", "coeur", "examen",
}  # fmt: skip
NEW_KINDS = (Kind.VITAL, Kind.CONDITION, Kind.PROCEDURE, Kind.IMMUNIZATION, Kind.ALLERGEN)

every_entry = pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)


def rows(name: str) -> list[dict[str, Any]]:
    text = files("terminology").joinpath("data", "lay", name).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["entries"]
    return found


def sentences(entry: LayEntry) -> list[str]:
    told = [entry.about, *((entry.lab.high, entry.lab.low) if entry.lab else ())]
    return [words["en"] for words in told if words]


def syllables(word: str) -> int:
    groups = len(re.findall(r"[aeiouy]+", word))
    is_silent = word.endswith("e") and not word.endswith(("le", "ee")) and groups > 1
    return max(1, groups - is_silent)


def grade(text: str) -> float:
    """Flesch-Kincaid grade: years of school that a text asks for."""
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    ends = max(1, len(re.findall(r"[.!?]+(?:\s|$)", text)))
    return 0.39 * len(words) / ends + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def test_the_grade_knows_easy_from_hard() -> None:
    assert grade("The cat sat on the mat.") < 1
    assert grade("Hypertriglyceridemia necessitates pharmacological intervention.") > 15


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_holds_what_the_schema_asks(name: str) -> None:
    needed = {"id", "codes", "category", "name", "about", "synonyms", "source", "written", "reviewed"}
    for row in rows(name):
        assert needed <= row.keys() <= needed | {"also", "lab", "drug"}, row["id"]
        assert row["codes"] or row.get("drug", {}).get("words"), row["id"]
        assert set(row.get("also", {})) <= set(OID_TO_SYSTEM.values()), row["id"]


def test_ids_and_codes_are_each_used_once() -> None:
    assert [id for id, n in Counter(entry.id for entry in entries()).items() if n > 1] == []
    keys = Counter(coding.key for entry in entries() for coding in entry.codings)
    assert [key for key, n in keys.items() if n > 1] == []


@every_entry
def test_an_entry_names_a_public_source_and_its_day(entry: LayEntry) -> None:
    assert PUBLIC.fullmatch(entry.source)
    assert entry.written >= FIRST_DAY
    assert entry.reviewed is None or entry.reviewed >= entry.written


@every_entry
def test_an_entry_is_told_in_both_languages(entry: LayEntry) -> None:
    for words in (entry.name, entry.about, *((entry.lab.high, entry.lab.low) if entry.lab else ())):
        assert words is None or (set(words) == {"en", "fr"} and all(text.strip() for text in words.values()))
    assert set(entry.synonyms) == {"en", "fr"}
    assert entry.drug or all(entry.synonyms.values())


@every_entry
def test_a_sentence_is_short_and_easy(entry: LayEntry) -> None:
    for text in sentences(entry):
        assert grade(text) <= HIGHEST_GRADE, text
        assert len(text.split()) <= LONGEST_SENTENCE, text


@every_entry
def test_a_sentence_tells_no_diagnosis_and_no_dose(entry: LayEntry) -> None:
    assert not [text for text in entry.about.values() if SPEAKS_OF_READER.search(text)]
    assert all(text.rstrip().endswith(".") for text in entry.about.values())


@every_entry
def test_no_synonym_is_so_general_that_it_catches_other_questions(entry: LayEntry) -> None:
    names = {fold(word) for words in entry.synonyms.values() for word in words}
    assert not names & ({fold(word) for word in TOO_GENERAL} | STOP_WORDS)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_synonym_outside_labs_and_medicines_names_few_entries(language: str) -> None:
    ours = (entry for entry in entries() if entry.kind in NEW_KINDS)
    words = Counter(word for entry in ours for word in {fold(each) for each in entry.synonyms[language]})
    assert [word for word, n in words.items() if n > CROWD] == []


@every_entry
def test_a_range_has_an_end_a_source_and_a_unit_that_we_can_read(entry: LayEntry) -> None:
    for each in entry.lab.ranges if entry.lab else ():
        assert each.low is not None or each.high is not None
        assert each.low is None or each.high is None or each.low < each.high
        assert each.source.startswith("https://")
        end = each.low if each.low is not None else each.high
        assert end is not None
        assert convert(end, each.unit, each.unit, None) == end


def test_a_clinical_drug_is_held_only_with_the_facts_of_all_its_ingredients() -> None:
    assert [code for code, names in codes().items() if not names or not all(map(facts_of, names))] == []

"""Every purpose of medicines has its source and its day, classes that some medicine has, and words in both languages."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from terminology.lay import entries
from terminology.lay_data import read_json
from terminology.purposes import classes_for, classes_named
from terminology.text import fold

ROWS: list[dict[str, Any]] = read_json("lay", "purposes.json")["purposes"]
PUBLIC = re.compile(r"https://medlineplus\.gov/\S+")
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["id"]))


@every_row
def test_a_purpose_names_its_source_and_its_day(row: dict[str, Any]) -> None:
    assert PUBLIC.fullmatch(row["source"])
    assert date.fromisoformat(row["written"]) >= date(2026, 11, 1)
    assert row["reviewed"] is None or date.fromisoformat(row["reviewed"]) >= date.fromisoformat(
        row["written"]
    )


@every_row
def test_its_classes_are_classes_of_some_medicine(row: dict[str, Any]) -> None:
    known = {name for entry in entries() if entry.drug for name in entry.drug.classes}
    assert row["classes"]
    assert set(row["classes"]) <= known


@every_row
def test_its_words_find_it(row: dict[str, Any]) -> None:
    for column, find in (("names", classes_named), ("for", classes_for)):
        for word in (each for words in row[column].values() for each in words):
            assert set(row["classes"]) <= set(find(fold(word).split())), word
    assert any(row["names"].values()) or any(row["for"].values())

"""Stored value sets: the cases of fixtures/cases/sets. https://hl7.org/fhir/R4/valueset.html#compositions"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_server.r4.profiles.sets import KnownSets
from terminology.codes.catalog import Catalog

FOLDER = Path(__file__).parents[3] / "fixtures/cases/sets"
TABLE: dict[str, Any] = yaml.safe_load((FOLDER / "membership.yaml").read_text())
ANSWERS = {True: True, False: False, "unknown": None}
"""`yes` and `no` are YAML's own words for true and false."""


class Shelf:
    """Definitions of the table."""

    edition = 1

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def definition(self, url: str, version: str) -> dict[str, Any] | None:
        fitting = (row for row in self.rows if row["url"] == url and version in ("", row.get("version")))
        return next(fitting, None)

    def urls(self) -> list[str]:
        return [row["url"] for row in self.rows]


SETS = KnownSets(Catalog(Shelf(TABLE["value_sets"]), Shelf(TABLE["code_systems"])))


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["it"])
def test_case(case: dict[str, Any]) -> None:
    system, bar, code = case["code"].rpartition("|")
    url = case["set"] if ":" in case["set"] else f"http://example.org/{case['set']}"
    assert SETS.holds(url, system if bar else None, code) is ANSWERS[case["is"]]


def test_a_new_edition_is_read() -> None:
    shelf = Shelf([])
    sets = KnownSets(Catalog(shelf, Shelf([])))
    assert sets.holds("http://example.org/all", None, "dog") is None
    shelf.rows, shelf.edition = TABLE["value_sets"], 2
    assert sets.holds("http://example.org/two", None, "dog") is True

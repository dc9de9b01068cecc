"""Every fact that we ship names its source, the day on which it was written, and whether a clinician has reviewed it.

docs/clinical-review.md says what the fields mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
FIRST_DAY = date(2026, 11, 1)
FIELDS = ("source", "written", "reviewed")
FILES = sorted(
    path
    for folder in ("terminology/data", "ai_layer", "fhir_server")
    for path in (ROOT / folder).rglob("*.json")
    if '"source"' in path.read_text()
)

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def facts(value: Any, inherited: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each object that names a source, with the dates of its own or of what it stands in."""
    if isinstance(value, list):
        for one in value:
            yield from facts(one, inherited)
    if isinstance(value, dict):
        known = inherited | {name: value[name] for name in FIELDS if name in value}
        if "source" in value:
            yield known
        for one in value.values():
            yield from facts(one, known)


def test_there_are_facts_in_every_layer() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == {"terminology", "ai_layer", "fhir_server"}


@every_file
def test_a_fact_has_a_source_and_the_day_of_its_writing(path: Path) -> None:
    found = list(facts(json.loads(path.read_text()), {}))
    assert [fact for fact in found if not fact["source"] or "written" not in fact] == []
    assert [fact for fact in found if date.fromisoformat(fact["written"]) < FIRST_DAY] == []


@every_file
def test_a_review_is_told_only_where_it_came_after_the_writing(path: Path) -> None:
    for fact in facts(json.loads(path.read_text()), {}):
        assert "reviewed" in fact, fact
        assert fact["reviewed"] is None or date.fromisoformat(fact["reviewed"]) >= date.fromisoformat(
            fact["written"]
        )

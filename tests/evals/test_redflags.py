"""Red flags: what patients write in an emergency, in despair or in want of a person is caught; ordinary questions are let through.

English and French, misspelt too, single phrases and vignettes: fixtures/cases/evals/redflags.yaml.
"""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml

from ai_layer.triage import triage
from tests.evals.figures import Figures

CASES: dict[str, dict[str, list[str]]] = yaml.safe_load(
    files("fixtures").joinpath("cases", "evals", "redflags.yaml").read_text()
)
FEWEST = 150


def texts(kind: str) -> list[str]:
    return [text for listed in CASES[kind].values() for text in listed]


@pytest.mark.parametrize("kind", ["emergency", "self_harm", "person"])
def test_every_red_flag_is_caught_as_what_it_is(kind: str, figures: Figures) -> None:
    caught = [text for text in texts(kind) if triage(text) == kind]
    figures.reach(f"red flags caught: {kind}", len(caught) / len(texts(kind)), len(texts(kind)))


def test_ordinary_questions_are_not_escalated(figures: Figures) -> None:
    ordinary = texts("ordinary")
    escalated = [text for text in ordinary if triage(text)]
    figures.stay_under("ordinary questions escalated", len(escalated) / len(ordinary), len(ordinary))


def test_there_are_enough_of_both() -> None:
    assert len(texts("emergency")) >= FEWEST
    assert len(texts("ordinary")) >= FEWEST

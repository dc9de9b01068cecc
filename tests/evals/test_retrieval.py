"""Lay questions put to the demo patients: how much of what answers them is among the first five, and how far up the first of it.

The same questions are put to BM25 and to plain MiniLM. A third of the questions is held out and never tuned on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

import pytest

from ai_layer.question import understand
from ai_layer.retrieve import anchored, retrieve
from tests.evals.baselines import Baselines
from tests.evals.conftest import NOW, Records
from tests.evals.figures import Figures
from tests.evals.questions import LayQuestion, lay_questions

FIRST = 5
Search = Callable[[LayQuestion], list[str]]


@pytest.fixture(scope="module")
def asked(records: Records) -> list[LayQuestion]:
    return lay_questions(records.resources)


def recall(question: LayQuestion, found: Sequence[str]) -> float:
    """The share of the first five that could have been right and is."""
    return len(question.expected & set(found[:FIRST])) / min(FIRST, len(question.expected))


def reciprocal_rank(question: LayQuestion, found: Sequence[str]) -> float:
    """One by the place of the first that is right; 0 where none is."""
    return next((1 / n for n, one in enumerate(found, 1) if one in question.expected), 0.0)


def ours(records: Records) -> Search:
    def search(asked: LayQuestion) -> list[str]:
        question = understand(asked.text, asked.language, NOW)
        with records.context.connect() as connection:
            patient = records.ids[asked.patient]
            question = anchored(connection, records.context.access, patient, question)
            found = retrieve(connection, records.context.access, patient, question, "", FIRST)
        return [f"{one.version.type}/{one.version.id}" for one in found]

    return search


def test_lay_questions_find_what_answers_them(
    records: Records, asked: list[LayQuestion], figures: Figures
) -> None:
    search = ours(records)
    found = {question: search(question) for question in asked}
    for name, chosen in {
        "tuned": [q for q in asked if not q.is_held_out],
        "held out": [q for q in asked if q.is_held_out],
    }.items():
        figures.reach(f"retrieval recall@5, {name}", mean(recall(q, found[q]) for q in chosen), len(chosen))
        rank = mean(reciprocal_rank(q, found[q]) for q in chosen)
        figures.reach(f"retrieval MRR, {name}", rank, len(chosen))
    assert len(asked) >= 300


def test_words_alone_and_likeness_alone_find_less(
    records: Records, asked: list[LayQuestion], figures: Figures
) -> None:
    baselines = {key: Baselines(resources) for key, resources in records.resources.items()}
    own = next(row.value for row in figures.rows if row.name == "retrieval recall@5, held out")
    held_out = [q for q in asked if q.is_held_out]
    others: dict[str, Search] = {
        "BM25": lambda q: baselines[q.patient].by_words(q.text, FIRST),
        "plain MiniLM": lambda q: baselines[q.patient].by_likeness(q.text, FIRST),
    }
    for name, search in others.items():
        found = {question: search(question) for question in held_out}
        value = mean(recall(q, found[q]) for q in held_out)
        figures.informative(f"  the same held out questions, {name}, recall@5", value, len(held_out))
        rank = mean(reciprocal_rank(q, found[q]) for q in held_out)
        figures.informative(f"  the same held out questions, {name}, MRR", rank, len(held_out))
        assert value < own

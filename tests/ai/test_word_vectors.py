"""The vectors that we ship are those that the model gives, for the words that the passages of today use."""

from __future__ import annotations

import numpy as np

from ai_layer.embed import MiniLM
from ai_layer.passages import passage_of
from ai_layer.word_vectors import digest, known_texts, shipped

EVERY = 20
"""One text in so many is computed anew."""


def test_all_texts_of_known_concepts_are_shipped() -> None:
    texts, vectors = known_texts(), shipped(MiniLM().model_id)
    missing = sorted(text for text in texts if digest(text) not in vectors)
    assert texts
    assert not missing, f"run `python -m tools.embed_words`: {len(missing)} are missing, {missing[:3]}"


def test_a_shipped_vector_is_what_the_model_gives() -> None:
    model = MiniLM()
    texts = sorted(known_texts())[::EVERY]
    for ours, computed in zip(model.embed(texts), model.computed(texts), strict=True):
        assert float(ours @ computed / np.linalg.norm(ours)) > 0.999


def test_how_a_sender_words_a_known_concept_changes_nothing_in_what_is_embedded() -> None:
    def text(display: str) -> str:
        coding = {"system": "http://loinc.org", "code": "4548-4", "display": display}
        found = passage_of({"resourceType": "Observation", "status": "final", "code": {"coding": [coding]}})
        assert found
        assert found.label == display
        return found.text

    assert text("Hemoglobin A1c/Hemoglobin.total in Blood") == text("HbA1c")


def test_vectors_of_another_model_are_none_of_ours() -> None:
    assert shipped("another model") == {}

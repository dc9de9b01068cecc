"""Misspelt words are read as the word that is meant; words that are known, short or far from every other stay as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology.lay_search import STOP_WORDS, terms
from terminology.spelling import Speller, sound

WORDS = frozenset(word for term in terms("en") for word in term.split())
SPELLER = Speller(WORDS, STOP_WORDS)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("alergies", "allergies"),
        ("asma", "asthma"),
        ("numonia", "pneumonia"),
        ("bronkitis", "bronchitis"),
        ("tyroid", "thyroid"),
        ("lysinopril", "lisinopril"),
        ("warfrin", "warfarin"),
        ("presure", "pressure"),
        ("wieght", "weight"),
        ("osteoperosis", "osteoporosis"),
    ],
)
def test_a_misspelt_word_is_read_as_the_one_it_sounds_like(misspelt: str, meant: str) -> None:
    assert SPELLER.read(misspelt) == meant


@pytest.mark.parametrize(
    "word", ["spleen", "colour", "window", "mother", "insurance", "hart", "bill", "flue"]
)
def test_a_word_that_only_resembles_another_stays(word: str) -> None:
    assert SPELLER.read(word) == word


@given(st.sampled_from(sorted(WORDS)))
def test_a_word_of_the_vocabulary_is_never_touched(word: str) -> None:
    assert SPELLER.read(word) == word


@given(st.text(LETTERS, max_size=20))
def test_what_is_read_is_a_known_word_or_the_word_itself(word: str) -> None:
    assert SPELLER.read(word) in WORDS | {word}


def test_spellings_of_one_sound_are_one() -> None:
    assert sound("pneumonia") == sound("neumonia")
    assert sound("asthma") == sound("asma")

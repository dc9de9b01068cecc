"""Vocabulary: the words that a claim may be made of. A closed list, so that what nobody has thought of is not said.

No word of judgement (`fine`, `worrying`), of cause, of advice, of other people or of what is not so stands in it. The words of our own
sentences that are not so belong to whole sentences: those are known as they stand.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

from ai_layer.grounding.facts import Fact
from ai_layer.grounding.said import Said, plain
from ai_layer.phrases import SENTENCES
from terminology.text import fold

WHOLE = (
    *(
        "value_undated",
        "no_value",
        "no_range",
        "lay_range",
        "critical",
        "other_unit",
        "related",
        "clinician",
        "own_record",
        "definition",
        "panel",
    ),
    *(
        "next_result",
        "next_condition",
        "next_medicine",
        "none",
        "none_kind",
        "what_you_asked",
        "unknown_word",
    ),
)
"""Sentences of ours that say what is not there, or are rendered again as a whole."""
PHRASES = re.compile(
    r"\bhas not changed\b|\bc(?:o|a)mes? back\b|\bgone (?:up|down)\b|\bthe record gives no date\b|\bwithout a value\b|\bnot from your record\b|your record gives no range for it, and none is known here"
    r"|\ble dossier ne donne pas de date\b|\bsans valeur\b|\bpas selon votre dossier\b|votre dossier ne donne pas d'intervalle, et aucun n'est connu ici"
)


def hold(said: Said, facts: list[Fact]) -> bool:
    """Whether every word left is a known one, a unit of the record, or a plain number word."""
    text = PHRASES.sub(" ", said.text)
    units = {fold(part) for fact in facts for unit in fact.units for part in re.split(r"[/*\[\]{}_.]", unit)}
    further = {fold(unit) for fact in facts for _, unit in fact.numbers}
    words = re.findall(r"[a-z][a-z'-]*", text)
    own = {part for fact in facts for part in fact.written}
    return all(_is_known(word, units | further | own) for word in words)


def _is_known(word: str, units: set[str]) -> bool:
    bare = word.strip("'-")
    parts = [bare, *re.split(r"['-]", bare)]
    return (
        bare in known_words()
        or fold(bare) in units
        or all(p in known_words() or p in units or len(p) < 2 for p in parts[1:])
    )


@cache
def known_words() -> frozenset[str]:
    """The list, and the words of our own sentences but for those that deny."""
    listed = json.loads(resources.files("ai_layer.grounding").joinpath("vocabulary.json").read_text())
    words = {word for lines in listed.values() for line in lines for word in line.split()}
    for language in SENTENCES.values():
        for name, sentence in language.items():
            if name not in WHOLE:
                words |= set(re.findall(r"[a-z][a-z'-]*", plain(re.sub(r"\{\w+\}", " ", sentence))))
    words |= {"medlineplus", "selon", "usual", "so"}
    return frozenset(words) - DENYING


DENYING = frozenset(
    [
        "no",
        "not",
        "none",
        "nothing",
        "never",
        "pas",
        "rien",
        "aucun",
        "aucune",
        "jamais",
        "question",
        "care",
        "team",
        "mean",
        "what",
    ]
)

"""triage: whether a text tells of an emergency, of self-harm, or asks for a person. Pure, and decided by rows of redflags.json alone.

A rule is a set of word groups; it fires where a word of each stands within a few words of the others, in whatever order, in English or
French, misspelt too. A question about a word or about the past (`have I ever had a stroke?`) tells of nothing that is happening, unless
something in it says that it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise, product
from typing import Any

from terminology.lay_search import STOP_WORDS, terms
from terminology.spelling import Speller
from terminology.text import fold

KINDS = ("self_harm", "emergency", "person")
NEAR = 50
"""Letters within which the words of a rule have to stand, where the rule says nothing else."""
MOST_PLACES = 12
"""Places of a word group that are looked at, in each stretch of a long text."""
STRETCH = 1500
SHORT = 7
"""Words of a question that is no more than the name of something in the record: `heart attack blood test`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Word groups that have to stand near each other."""

    groups: tuple[str, ...]
    near: int


def triage(text: str) -> str:
    """`emergency`, `self_harm`, `person`, or nothing."""
    told = _neutral(fold(text))
    if _is_calm(told):
        return ""
    for reading in dict.fromkeys((told, _spelt(told))):
        for kind in KINDS:
            if _fires(kind, reading):
                return kind
    return ""


def _fires(kind: str, text: str) -> bool:
    if kind == "person" and text in table()["person_alone"]:
        return True
    if kind == "emergency" and _has_dangerous_number(text):
        return True
    stretches = [text[n : n + 2 * STRETCH] for n in range(0, max(1, len(text)), STRETCH)]
    return any(_stands(rule, stretch) for stretch in stretches for rule in _rules(kind))


def _stands(rule: Rule, text: str) -> bool:
    """Whether a word of each group is there, all within reach and none used twice."""
    places = [[m.span() for m in _group(name).finditer(text)][:MOST_PLACES] for name in rule.groups]
    if not all(places):
        return False
    return any(_reach(spans) <= rule.near and not _overlap(spans) for spans in product(*places))


def _reach(spans: Sequence[tuple[int, int]]) -> int:
    return max(start for start, _ in spans) - min(end for _, end in spans) if len(spans) > 1 else 0


def _overlap(spans: Sequence[tuple[int, int]]) -> bool:
    ordered = sorted(spans)
    return any(one[1] > other[0] for one, other in pairwise(ordered))


def _is_calm(text: str) -> bool:
    """A question about a word, or about what is past, in which nothing says that it goes on."""
    calm = table()["calm"]
    if _words(table()["acute"]).search(text):
        return False
    if re.search(calm["knowledge"], text):
        return True
    if len(text.split()) <= SHORT and re.search(rf"{_words(calm['ends']).pattern}$", text):
        return True
    starts = _words(calm["starts"]).match(text)
    return bool(starts) and bool(_words(calm["topics"]).search(text))


def _has_dangerous_number(text: str) -> bool:
    for row in table()["numbers"]:
        said = rf"{_words(row['what']).pattern}{_SAYING}(\d+)\b"
        for match in re.finditer(said, text):
            value = int(match[match.lastindex or 1])
            if any(low <= value < high for low, high in row["danger"]):
                return True
    return False


_SAYING = r"(?: (?:level|reading|number|is|was|at|of|over|under|now|only|about|reads|shows|says|dropped|fell|went|up|down|to|est|a|de|like|still|around|just))* "


def _neutral(text: str) -> str:
    """The text with phrases out of the way that hold a word of danger and tell of none (`chest x ray`)."""
    for phrase, said in table()["neutral"].items():
        text = re.sub(rf"\b{phrase}\b", said, text)
    return text


def _spelt(text: str) -> str:
    """The text as its misspelt words may be meant."""
    return " ".join(_speller().read(word) for word in text.split())


@cache
def table() -> dict[str, Any]:
    """redflags.json."""
    found: dict[str, Any] = json.loads(resources.files("ai_layer").joinpath("redflags.json").read_text())
    return found


@cache
def _rules(kind: str) -> tuple[Rule, ...]:
    return tuple(_rule(row) for row in table()[kind])


def _rule(row: str) -> Rule:
    """`chest hurts @70`: the groups, and within how many letters."""
    groups, _, near = row.partition(" @")
    return Rule(tuple(groups.split()), int(near or NEAR))


@cache
def _group(name: str) -> re.Pattern[str]:
    return _words(table()["words"][name])


@cache
def _words(listed: str) -> re.Pattern[str]:
    """A pattern of words parted by `;`, where `*` stands for the rest of a word and `##` for a number of two digits or more."""
    said = [_pattern(word) for word in listed.split("; ")]
    return re.compile(rf"\b(?:{'|'.join(sorted(said, key=len, reverse=True))})\b")


def _pattern(word: str) -> str:
    if word == "##":
        return r"\d{2,}"
    return r"\w*".join(re.escape(fold(part)) for part in word.split("*"))


def _vocabulary() -> Iterator[str]:
    for listed in table()["words"].values():
        for word in listed.split("; "):
            yield from (part for part in word.split() if "*" not in part)
            yield from (part.rstrip("*") for part in word.split() if part.endswith("*") and len(part) > 5)


@cache
def _speller() -> Speller:
    """Words of danger; whatever else is a word of medicine or of every day stays as it is."""
    known = {word for language in ("en", "fr") for term in terms(language) for word in term.split()}
    return Speller(set(_vocabulary()), known | STOP_WORDS, guess_from=4)

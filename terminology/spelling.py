"""Spelling: a misspelt word is read as the word of a vocabulary that sounds or looks almost like it.

Words are compared by how they sound (`ph` is `f`, `th` is `t`, double letters are one), then by single letters left out, put in,
changed or swapped: two of those for long words, one for short ones, as a rule none for those of four letters. A word that the vocabulary knows is never touched, and one that is as
close to two words as to each other is left alone. After W. Garbe's symmetric deletion, https://github.com/wolfgarbe/SymSpell
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations

SHORTEST = 4
LONGEST = 24
LONG = 8
"""Letters from which a word may differ in two places."""
STEM = 5
"""First letters that make two words forms of one."""
SOUNDS = (
    (r"^pn", "n"),
    (r"^ps", "s"),
    (r"^rh", "r"),
    (r"ph", "f"),
    (r"ch", "k"),
    (r"ck", "k"),
    (r"sth", "s"),
    (r"([tr])h", r"\1"),
    (r"gh", "g"),
    (r"c(?=[eiy])", "s"),
    (r"c", "k"),
    (r"qu?", "k"),
    (r"x", "ks"),
    (r"z", "s"),
    (r"ae|oe", "e"),
    (r"y", "i"),
    (r"(.)\1+", r"\1"),
    (r"(?<=..)e$", ""),
)
_SOUNDS = tuple((re.compile(pattern), sound) for pattern, sound in SOUNDS)


def sound(word: str) -> str:
    """How a folded word sounds, roughly: `pneumonia` and `neumonia` are one."""
    for pattern, heard in _SOUNDS:
        word = pattern.sub(heard, word)
    return word


class Speller:
    """A vocabulary of folded words that misspelt ones are read by; words shorter than `guess_from` have to sound the same."""

    def __init__(
        self, words: Iterable[str], known: Iterable[str] = (), guess_from: int = SHORTEST + 1
    ) -> None:
        self._guess_from = guess_from
        self._words = frozenset(word for word in words if len(word) >= SHORTEST)
        self._known = self._words | frozenset(known)
        self._near: dict[str, set[str]] = {}
        for word in self._words:
            for form in _shortened(sound(word)):
                self._near.setdefault(form, set()).add(word)

    def read(self, word: str) -> str:
        """The word that is meant, or the word itself."""
        if not SHORTEST <= len(word) <= LONGEST or word in self._known or not word.isalpha():
            return word
        heard = sound(word)
        near = {found for form in _shortened(heard) for found in self._near.get(form, ())}
        ranked = sorted((_distance(heard, sound(found)), _distance(word, found), found) for found in near)
        most = 2 if len(word) >= LONG else 1 if len(word) >= self._guess_from else 0
        close = [one for one in ranked if one[0] <= most and one[2][0] in _starts(word)]
        is_tied = len(close) > 1 and close[0][:2] == close[1][:2] and not _same(close[0][2], close[1][2])
        return word if not close or is_tied else close[0][2]


def _same(one: str, other: str) -> bool:
    """A plural is no other word, nor is `diabetic` beside `diabetes`."""
    return sound(one) == sound(other) or one[:STEM] == other[:STEM]


def _starts(word: str) -> str:
    """First letters that the word meant may have."""
    alike = {
        "n": "np",
        "k": "kc",
        "c": "cks",
        "s": "scp",
        "f": "fp",
        "i": "iy",
        "e": "eao",
        "o": "oe",
        "a": "ae",
    }
    return alike.get(word[0], word[0])


def _shortened(heard: str) -> set[str]:
    """The form itself and with one letter left out; with two for long ones."""
    forms = {heard, *(heard[:n] + heard[n + 1 :] for n in range(len(heard)))}
    if len(heard) >= LONG - 1:
        spans = combinations(range(len(heard)), 2)
        forms |= {heard[:a] + heard[a + 1 : b] + heard[b + 1 :] for a, b in spans}
    return forms


def _distance(one: str, other: str) -> int:
    """Letters to leave out, put in, change or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        before, last, row = row, before, [n]
        for m, their in enumerate(other, 1):
            cost = min(before[m] + 1, row[m - 1] + 1, before[m - 1] + (letter != their))
            if n > 1 and m > 1 and letter == other[m - 2] and one[n - 2] == their:
                cost = min(cost, last[m - 2] + 1)
            row.append(cost)
    return row[-1]

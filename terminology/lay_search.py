"""From the words of a question to the entries it names: `what does HDL mean?` -> HDL cholesterol.

A whole name or synonym inside the text wins, the longest first. Without one, words of five letters or more
may differ by a small misspelling. Accents and case never matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache

from terminology.lay_data import entries
from terminology.lay_entry import LayEntry
from terminology.text import fold

LONGEST_TERM = 7
CLOSENESS = 0.84
STOP_WORDS_TEXT = (
    "a about am an and any are as at be can could did do does for from had has have high how i in is it last "
    "level levels low mean meaning means meant mine my number of on or result results say should tell test "
    "tests that the this to was what whats when which why with you your "
    "a ai au aux avec bas c ce cela ces cet cette comment d dans de des du elle en est et eleve il j je l la "
    "le les leur ma mes moi mon n par pas pour pourquoi qu que quel quelle quels quelles quoi resultat "
    "resultats s sa ses signifie son sont sur taux test tests un une veut dire y"
)
STOP_WORDS = frozenset(STOP_WORDS_TEXT.split())


def find_term(text: str, language: str = "en", limit: int = 5) -> tuple[LayEntry, ...]:
    """Entries that the text names, best first; () when it names none that we hold."""
    words = fold(text).split()
    found = tuple(dict.fromkeys(exact_matches(words, language)))
    return (found or tuple(dict.fromkeys(close_matches(words, language))))[:limit]


def exact_matches(words: list[str], language: str) -> Iterator[LayEntry]:
    """Longest terms first; a word already used inside a longer term is not read again."""
    used: set[int] = set()
    index = terms(language)
    for length in range(min(LONGEST_TERM, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            span = range(start, start + length)
            if used.isdisjoint(span) and (hits := look_up(index, words[start : start + length])):
                used.update(span)
                yield from hits


def look_up(index: Mapping[str, tuple[LayEntry, ...]], words: list[str]) -> tuple[LayEntry, ...]:
    if STOP_WORDS.issuperset(words):
        return ()
    term = " ".join(words)
    return index.get(term) or index.get(term.removesuffix("s")) or index.get(term + "s") or ()


def close_matches(words: list[str], language: str) -> Iterator[LayEntry]:
    index = terms(language)
    for length in (3, 2, 1):
        for start in range(len(words) - length + 1):
            chosen = words[start : start + length]
            if is_worth_guessing(chosen):
                yield from (entry for term in closest(" ".join(chosen), index) for entry in index[term])


def is_worth_guessing(words: list[str]) -> bool:
    return len("".join(words)) >= 5 and STOP_WORDS.isdisjoint((words[0], words[-1]))


def closest(term: str, index: Iterable[str]) -> list[str]:
    """Terms within a letter or two, found among those of nearly the same length."""
    near = [other for other in index if abs(len(other) - len(term)) <= 2]
    return get_close_matches(term, near, n=2, cutoff=CLOSENESS)


@cache
def terms(language: str) -> Mapping[str, tuple[LayEntry, ...]]:
    """Every name, then every synonym, folded; French also knows the English words, after its own."""
    index: dict[str, dict[str, LayEntry]] = {}
    for words_of in (names_in, synonyms_in):
        for each in dict.fromkeys((language.lower().split("-")[0], "en")):
            for entry in entries():
                for word in words_of(entry, each):
                    index.setdefault(fold(word), {}).setdefault(entry.id, entry)
    return {term: tuple(hits.values()) for term, hits in index.items() if term}


def names_in(entry: LayEntry, language: str) -> tuple[str, ...]:
    return (entry.name_in(language), entry.id.partition("/")[2])


def synonyms_in(entry: LayEntry, language: str) -> tuple[str, ...]:
    return (*entry.synonyms.get(language, ()), *(entry.drug.words if entry.drug else ()))

"""Purposes: what patients call groups of medicines, and what those are taken for -> the drug classes that are meant.

`blood thinner` names a group by itself; `the pill for my pressure` names what the pill is for. data/lay/purposes.json, each row with
its source. A class is listed where the source names it for that purpose; that a medicine is in a class says nothing of why one person takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from terminology.lay_data import read_json
from terminology.text import fold

LONGEST = 6


def classes_named(words: list[str]) -> tuple[str, ...]:
    """Classes that the folded words name by themselves (`blood`, `thinner`)."""
    return _classes(words, _index("names"))


def classes_for(words: list[str]) -> tuple[str, ...]:
    """Classes of medicines for what the folded words speak of (`my`, `pressure`); to be asked where a medicine is spoken of."""
    return _classes(words, _index("for"))


def vocabulary() -> Iterable[str]:
    """Every folded word of the table."""
    return {word for column in ("names", "for") for term in _index(column) for word in term.split()}


def _classes(words: list[str], index: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Longest terms first; a word inside a longer term is not read again."""
    used: set[int] = set()
    found: list[str] = []
    for length in range(min(LONGEST, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            span = range(start, start + length)
            term = " ".join(words[start : start + length])
            if used.isdisjoint(span) and term in index:
                used.update(span)
                found += index[term]
    return tuple(dict.fromkeys(found))


@cache
def _index(column: str) -> Mapping[str, tuple[str, ...]]:
    rows: list[dict[str, Any]] = read_json("lay", "purposes.json")["purposes"]
    index: dict[str, tuple[str, ...]] = {}
    for row in rows:
        for term in {fold(each) for terms in row[column].values() for each in terms}:
            index[term] = (*index.get(term, ()), *row["classes"])
    return index

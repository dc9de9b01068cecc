"""From a medication's codings and words to its ingredients and drug classes.

A known RxNorm code answers first; then every ingredient or brand word in the displays and the text, so that
a record whose code and words disagree shows both. What we do not know is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache

from terminology.coding import RXNORM, Coding
from terminology.lay_data import by_id, entries, read_json
from terminology.lay_entry import DrugFacts, Kind
from terminology.text import fold


def ingredients_of(codings: Iterable[Coding], text: str = "") -> tuple[str, ...]:
    """Ingredient slugs (`hydrochlorothiazide`), each once, in the order found; () when none is known."""
    codings = tuple(codings)
    found = [name for coding in codings for name in ingredients_by_code(coding)]
    for words in (*(coding.display for coding in codings), text):
        found += ingredients_in_words(words)
    return tuple(dict.fromkeys(found))


_PARTS = re.compile(r"\s/\s|\s\+\s")
_INERT = re.compile(r"\binert\b|\bplacebo\b", re.IGNORECASE)


def names_all(text: str, found: Collection[str]) -> bool:
    """Whether as many ingredients are found as the text has parts (`A 5 MG / B 10 MG Oral Tablet`), or each part has one."""
    parts = [each for each in _PARTS.split(text) if not _INERT.search(each)]
    return len(parts) <= len(found) or all(ingredients_of((), each) for each in parts)


def drug_classes(codings: Iterable[Coding], text: str = "") -> tuple[str, ...]:
    """Class slugs (`thiazide-diuretic`) of all ingredients, each once."""
    return classes_of(ingredients_of(codings, text))


def classes_of(ingredients: Iterable[str]) -> tuple[str, ...]:
    known = (facts_of(ingredient) for ingredient in ingredients)
    return tuple(dict.fromkeys(name for facts in known if facts for name in facts.classes))


def facts_of(ingredient: str) -> DrugFacts | None:
    """What we hold on an ingredient slug."""
    entry = by_id().get(f"{Kind.MEDICATION}/{ingredient}")
    return entry.drug if entry else None


def ingredients_by_code(coding: Coding) -> tuple[str, ...]:
    return codes().get(coding.code, ()) if coding.system == RXNORM else ()


@cache
def codes() -> Mapping[str, tuple[str, ...]]:
    """RxNorm codes of ingredients and of the clinical drugs in rxnorm_drugs.json."""
    drugs: dict[str, tuple[str, ...]] = {
        code: tuple(names) for code, names in read_json("lay", "rxnorm_drugs.json")["drugs"].items()
    }
    for entry in entries():
        if entry.drug:
            drugs |= {coding.code: (entry.drug.ingredient,) for coding in entry.codings}
    return drugs


def ingredients_in_words(text: str) -> Iterator[str]:
    """Each ingredient whose own word or brand stands in the text as a whole word, longest words first."""
    pattern, owners = vocabulary()
    for match in pattern.finditer(fold(text)):
        yield from owners[match.group()]


@cache
def vocabulary() -> tuple[re.Pattern[str], Mapping[str, tuple[str, ...]]]:
    owners: dict[str, tuple[str, ...]] = {}
    for entry in entries():
        for word in entry.drug.words if entry.drug else ():
            owners[fold(word)] = (*owners.get(fold(word), ()), entry.id.partition("/")[2])
    longest_first = sorted(owners, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"), owners

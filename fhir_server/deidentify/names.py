"""Names: the words of everybody's name in what is exported. A code's display that holds one of them is left out; the code stays. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fhir_server.deidentify.known import folded
from fhir_server.deidentify.text import scrub

LEAST = 2
TYPES = ("Patient", "RelatedPerson", "Practitioner", "Person")


@dataclass(slots=True)
class Names:
    """Words, folded; `learn` from each person before anything is written."""

    words: set[str] = field(default_factory=set)

    def learn(self, resource: Mapping[str, Any]) -> None:
        """The names in one resource, contained ones too."""
        self.words.update(word for text in _texts(resource) for word in words_of(text) if len(word) >= LEAST)

    def are_in(self, text: str) -> bool:
        """Whether a text holds a name, or what looks like an identifier."""
        return is_telling(text) or not self.words.isdisjoint(words_of(text))


@lru_cache(maxsize=50_000)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, folded."""
    return tuple(re.findall(r"[^\W_]+", folded(text)))


@lru_cache(maxsize=50_000)
def is_telling(text: str) -> bool:
    """Whether something in it looks like an identifier."""
    return scrub(text) != text


def _texts(element: Any) -> Iterator[str]:
    if isinstance(element, list):
        for each in element:
            yield from _texts(each)
    elif isinstance(element, Mapping):
        if "family" in element or "given" in element:
            given = element.get("given", ())
            parts = [element.get("family"), element.get("text"), *(given if isinstance(given, list) else ())]
            yield from (part for part in parts if isinstance(part, str))
        if str(element.get("url", "")).endswith("MaidenName"):
            yield str(element.get("valueString", ""))
        for value in element.values():
            yield from _texts(value)

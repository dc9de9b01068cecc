"""Search parameter type `string`.

By default a value matches from the start, whatever its case, accents and spacing; `:contains` anywhere; `:exact` letter by letter.
https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.search.types.asked import Asked, unescape
from fhir_server.sql import Fragment

# A btree entry holds at most 2,704 bytes; a longer text is found by its first letters, and :exact compares the whole.
INDEXED_LETTERS = 600

Row = tuple[str, str]
"""value (folded), exact."""

_PARTS: dict[str, tuple[str, ...]] = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}


def fold(text: str) -> str:
    """Lower case without accents, runs of white space as one space."""
    return " ".join(without_accents(text).split())


def without_accents(text: str) -> str:
    """Lower case, and only the base letters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def rows(value: Any) -> Iterator[Row]:
    """HumanName and Address write a row for each of their parts."""
    if isinstance(value, str):
        if value.strip():
            yield fold(value)[:INDEXED_LETTERS], str(value)
    elif isinstance(value, dict):
        for key in _keys(value):
            found = value.get(key)
            for text in found if isinstance(found, list) else (found,):
                if isinstance(text, str) and text.strip():
                    yield fold(text)[:INDEXED_LETTERS], text


def _keys(value: dict[str, Any]) -> tuple[str, ...]:
    return (
        _PARTS["HumanName"]
        if "family" in value or "given" in value
        else (*_PARTS["Address"], "prefix", "suffix")
    )


def where(asked: Asked) -> Fragment:
    """Prefix, `:contains` or `:exact`."""
    text = unescape(asked.text)
    if not text.strip():
        raise asked.refuse("some text")
    return _MODIFIERS[asked.modifier](asked, text)


def _starts(asked: Asked, text: str) -> Fragment:
    # A range instead of LIKE 'x%': a prepared plan can use the btree for it.
    value, folded = asked.column("value"), fold(text)[:INDEXED_LETTERS]
    return Fragment(f"{value} >= %s AND {value} < %s", (folded, folded + "\U0010ffff"))


def _contains(asked: Asked, text: str) -> Fragment:
    return Fragment(f"position(%s in {asked.column('value')}) > 0", (fold(text),))


def _exact(asked: Asked, text: str) -> Fragment:
    same = (fold(text)[:INDEXED_LETTERS], text)
    return Fragment(f"{asked.column('value')} = %s AND {asked.column('exact')} = %s", same)


_MODIFIERS: dict[str, Callable[[Asked, str], Fragment]] = {
    "": _starts,
    "contains": _contains,
    "exact": _exact,
    "text": _contains,
}
MODIFIERS = ("contains", "exact", "text")

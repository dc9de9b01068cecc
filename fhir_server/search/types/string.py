"""Search parameter type `string`.

By default a value matches from the start, whatever its case, accents, punctuation and spacing; `:contains` anywhere; `:exact` letter by
letter. The later words of a family name count as beginnings, too.
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
    """Lower case without accents and punctuation, runs of white space as one space; signs alone stay as they are."""
    plain = without_accents(text)
    return " ".join(_without(plain, "").split()) or plain.strip()


def fold_apart(text: str) -> str:
    """The same, but hyphens and the like part words: `Smith-Jones` is `smith jones`; an apostrophe parts nothing."""
    plain = without_accents(text).translate(_APOSTROPHES)
    return " ".join(_without(plain, " ").split()) or plain.strip()


def without_accents(text: str) -> str:
    """Lower case, and only the base letters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


_APOSTROPHES = dict.fromkeys(map(ord, "'\u2019\u02bc`."), None)
_ASCII_PUNCTUATION = "!\"#%&'()*,-./:;?@[\\]_{}"
_TO = {
    "": dict.fromkeys(map(ord, _ASCII_PUNCTUATION), ""),
    " ": dict.fromkeys(map(ord, _ASCII_PUNCTUATION), " "),
}


def _without(text: str, instead: str) -> str:
    if text.isascii():
        return text.translate(_TO[instead])
    return "".join(instead if unicodedata.category(c)[0] == "P" else c for c in text)


def rows(value: Any) -> Iterator[Row]:
    """HumanName and Address write a row for each of their parts."""
    for text in _texts(value):
        yield from _text_rows(text)


def _text_rows(text: str) -> Iterator[Row]:
    """One row; two where hyphens and the like may be read as nothing or as a gap."""
    value = fold(text)[:INDEXED_LETTERS]
    yield value, text
    apart = value if text.isalnum() else fold_apart(text)[:INDEXED_LETTERS]
    if apart != value:
        yield apart, text


def part_rows(value: Any) -> Iterator[Row]:
    """The later words of a family name, each a beginning of its own: `Quinones` finds `Carreno Quinones`."""
    family = value if isinstance(value, str) else value.get("family") if isinstance(value, dict) else None
    if isinstance(family, str) and not family.isalnum():
        parts = fold_apart(family).split(" ")
        for start in range(1, len(parts)):
            yield " ".join(parts[start:])[:INDEXED_LETTERS], family


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key in _keys(value):
            found = value.get(key)
            yield from (
                t
                for t in (found if isinstance(found, list) else (found,))
                if isinstance(t, str) and t.strip()
            )
    elif isinstance(value, str) and value.strip():
        yield str(value)


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


def _ends(asked: Asked, text: str) -> Fragment:
    folded = fold(text)
    return Fragment(f"right({asked.column('value')}, %s) = %s", (len(folded), folded))


def _exact(asked: Asked, text: str) -> Fragment:
    same = (fold(text)[:INDEXED_LETTERS], text)
    return Fragment(f"{asked.column('value')} = %s AND {asked.column('exact')} = %s", same)


_MODIFIERS: dict[str, Callable[[Asked, str], Fragment]] = {
    "": _starts,
    "contains": _contains,
    "exact": _exact,
    "text": _contains,
    "ends": _ends,
}
"""`ends` is _filter's `ew`; no URL can say it."""
MODIFIERS = ("contains", "exact", "text")
HAVE_PARTS = ("family", "name")
"""Parameters with rows of `part_rows`, under their negative number."""

"""Search parameter type `uri`.

Compared letter by letter; `:below` finds what lies under the value's path, `:above` what the value lies under.
https://hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.search.types.asked import Asked, unescape
from fhir_server.sql import Fragment

INDEXED_LETTERS = 600

Row = tuple[str]
"""value."""


def rows(value: Any) -> Iterator[Row]:
    """One row a uri."""
    if isinstance(value, str) and value:
        yield (value[:INDEXED_LETTERS],)


def where(asked: Asked) -> Fragment:
    """Equal, `:below` or `:above`."""
    text = unescape(asked.text)
    if not text:
        raise asked.refuse("a uri")
    return _MODIFIERS[asked.modifier](asked.column("value"), text)


def equal(column: str, text: str) -> Fragment:
    """The very same."""
    return Fragment(f"{column} = %s", (text[:INDEXED_LETTERS],))


def below(column: str, text: str) -> Fragment:
    """The value itself, and whatever continues it at a slash."""
    under = text if text.endswith("/") else text + "/"
    return Fragment(
        f"({column} = %s OR ({column} >= %s AND {column} < %s))", (text, under, under + "\U0010ffff")
    )


def versions(column: str, text: str) -> Fragment:
    """The canonical itself, in whatever version where the value names none. https://hl7.org/fhir/R4/references.html#canonical"""
    within = Fragment(f"({column} >= %s AND {column} < %s)", (text + "|", text + "}"))
    return equal(column, text) if "|" in text else equal(column, text) | within


def above(column: str, text: str) -> Fragment:
    """The value itself, and each of its parents."""
    return Fragment(f"{column} = ANY(%s)", (parents(text),))


def parents(text: str) -> list[str]:
    """`http://a/b/c` -> itself, `http://a/b`, `http://a` (each also with its slash)."""
    found, rest = [text], text.rstrip("/")
    while rest.count("/") > 2 or ("://" not in rest and "/" in rest):
        found += [rest, rest[: rest.rindex("/") + 1]]
        rest = rest[: rest.rindex("/")]
    return [*found, rest]


_MODIFIERS: dict[str, Callable[[str, str], Fragment]] = {
    "": equal,
    "below": below,
    "above": above,
    "versions": versions,
}
"""`versions` is what a plain `_profile` asks; no URL says it."""
MODIFIERS = ("below", "above")

"""Fragment: a piece of SQL that carries its values and the reason it is there.

Composed statements are built of these, so a value never gets into the text, and an Access can say which rule it came from.
Shape: `text` holds one `%s` per value (psycopg's placeholder); `reason` is empty where no rule stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fragment:
    """SQL text, the values for its placeholders, and the rule behind it."""

    text: str
    values: tuple[object, ...] = ()
    reason: str = ""

    def __and__(self, other: Fragment) -> Fragment:
        return _joined("AND", (self, other))

    def __or__(self, other: Fragment) -> Fragment:
        return _joined("OR", (self, other))

    def __invert__(self) -> Fragment:
        return Fragment(f"NOT ({self.text})", self.values, self.reason and f"not {self.reason}")


TRUE = Fragment("TRUE")
FALSE = Fragment("FALSE")


def all_of(parts: Iterable[Fragment]) -> Fragment:
    """The conjunction; of nothing it is TRUE."""
    return _folded("AND", tuple(parts), TRUE)


def any_of(parts: Iterable[Fragment]) -> Fragment:
    """The disjunction; of nothing it is FALSE."""
    return _folded("OR", tuple(parts), FALSE)


def listed(parts: Iterable[Fragment], separator: str = ", ") -> Fragment:
    """The parts one after another, as in a select list or a FROM clause."""
    kept = tuple(parts)
    return Fragment(separator.join(p.text for p in kept), _values(kept), _reason(kept))


def _folded(word: str, parts: tuple[Fragment, ...], empty: Fragment) -> Fragment:
    if not parts:
        return empty
    return parts[0] if len(parts) == 1 else _joined(word, parts)


def _joined(word: str, parts: tuple[Fragment, ...]) -> Fragment:
    text = f" {word} ".join(f"({p.text})" for p in parts)
    return Fragment(text, _values(parts), _reason(parts))


def _values(parts: tuple[Fragment, ...]) -> tuple[object, ...]:
    return tuple(value for p in parts for value in p.values)


def _reason(parts: tuple[Fragment, ...]) -> str:
    return "; ".join(p.reason for p in parts if p.reason)

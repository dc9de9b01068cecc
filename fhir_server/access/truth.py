"""Truth with a third value: None where a record does not tell.

Kleene's logic. A rule that permits needs True; a rule that denies needs only not False: in doubt nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None


def every(parts: Iterable[Truth]) -> Truth:
    """False if one is False; else None if one is None; else True (also of nothing)."""
    found = set(parts)
    return False if False in found else None if None in found else True


def some(parts: Iterable[Truth]) -> Truth:
    """True if one is True; else None if one is None; else False (also of nothing)."""
    found = set(parts)
    return True if True in found else None if None in found else False

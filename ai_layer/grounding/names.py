"""Names: a claim speaks of what it cites and of no other concept, and calls no medicine by a class that it is not in. Pure.

The cited facts' own names are marks by now, so whatever name is left is another's.
"""

from __future__ import annotations

from collections.abc import Sequence

from ai_layer.grounding.facts import Fact
from ai_layer.grounding.said import NAME, NUMBERS, Said
from terminology import purposes
from terminology.lay_search import exact_matches
from terminology.text import fold

ORDINARY = frozenset(["test", "report", "weight"])


def hold(said: Said, facts: Sequence[Fact]) -> bool:
    """Whether no other concept and no other class is named."""
    bare = NUMBERS.sub(" . ", said.text).replace(NAME, " . ")
    words = fold(bare).split()
    own = {fact.entry.id for fact in facts if fact.entry}
    others = [
        entry for language in ("en", "fr") for entry in exact_matches(words, language) if entry.id not in own
    ]
    classes = {name for fact in facts if fact.entry and fact.entry.drug for name in fact.entry.drug.classes}
    named = purposes.classes_named(words)
    return not [e for e in others if fold(e.name_in("en")) not in ORDINARY] and (
        not named or bool(classes & set(named))
    )

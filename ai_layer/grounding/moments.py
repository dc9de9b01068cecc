"""Dates: each one that a claim says is that of a fact which its clause speaks of, and of the value beside it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ai_layer.grounding.facts import Fact, Moment
from ai_layer.grounding.said import Clause, Said

_OTHER_FORMS = re.compile(r"\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b")


def hold(said: Said, facts: Sequence[Fact]) -> bool:
    """Whether all dates do; a date whose day and month could be swapped is none."""
    if _OTHER_FORMS.search(said.text):
        return False
    return all(_holds(clause, spoken_of(clause, facts)) for clause in said.clauses)


def _holds(clause: Clause, facts: Sequence[Fact]) -> bool:
    """Each date is that of a fact, and so is each value in words beside it."""
    if not all(at(moment, facts) for moment in clause.moments):
        return False
    days = [at(moment, facts) for moment in clause.moments] or [list(facts)]
    return all(any(told in fact.told for day in days for fact in day) for told in clause.told)


def spoken_of(clause: Clause, facts: Sequence[Fact]) -> list[Fact]:
    """The facts that a clause names, or all where it names none."""
    return [fact for fact in facts if not clause.concepts or fact.concept in clause.concepts]


def at(moment: Moment, facts: Sequence[Fact]) -> list[Fact]:
    """The facts of a date."""
    return [fact for fact in facts if any(moment.covers(own) for own in fact.moments)]

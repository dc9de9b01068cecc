"""Comparisons: up, down and the same between results of one kind; above, below and inside a range; flags; statuses. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ai_layer.grounding.facts import Fact, Moment
from ai_layer.grounding.moments import at, spoken_of
from ai_layer.grounding.numbers import newest
from ai_layer.grounding.said import Clause, Said

_UP = re.compile(
    r"\b(?:up(?! to)|rise|rose|risen|rising|higher than|increas\w*|gone up|went up|climbed|en hausse|augment\w*|plus haute? que)\b"
)
_DOWN = re.compile(
    r"\b(?:down|fall|fell|fallen|falling|lower than|decreas\w*|dropp?\w*|declin\w*|gone down|went down|en baisse|diminu\w*|baiss\w*|plus basse? que)\b"
)
_SAME = re.compile(
    r"\b(?:same|unchanged|stayed|not changed|no change|equal|meme valeur|inchangee?|identique)\b"
)
_FLAG = re.compile(
    r"\b(?:marked|flagged|noted|marque|note|signale)\b(?: (?:it|the value|the result|the|this|§|of|[\d.,]+|%|by the laboratory|by the lab|comme|l'a))* ?(?:as|comme)? ?"
    r"(critically high|critically low|very high|very low|high|low|normal|abnormal|critical|tres eleve|tres bas|eleve|bas|anormal|critique)\b"
)
_FLAGS: dict[str, tuple[str, ...]] = {
    "high": ("H", "HH"), "low": ("L", "LL"), "normal": ("N",), "abnormal": ("A", "AA", "H", "L", "HH", "LL"), "critical": ("AA", "HH", "LL"),
    "critically high": ("HH",), "critically low": ("LL",), "very high": ("HH",), "very low": ("LL",), "tres eleve": ("HH",), "tres bas": ("LL",),
    "eleve": ("H", "HH"), "bas": ("L", "LL"), "anormal": ("A", "AA", "H", "L", "HH", "LL"), "critique": ("AA", "HH", "LL"),
}  # fmt: skip
_NOUN = re.compile(
    r"\b(?:(?:upper|lower) )?(?:normal|usual|reference|intervalle usuel|valeurs? normales?)(?: adult)? (?:range|limits?|values?)\b|\busual (?:upper |lower )?limit\b|\b(?:upper|lower) limit\b"
)
_ABOVE = re.compile(
    r"\b(?:above|too high|high|elevated|over the|exceeds|higher than the (?:range|limit|usual|normal|upper)|au-dessus|elevee?|trop haute?)\b"
)
_BELOW = re.compile(
    r"\b(?:below|too low|low|under the|lower than the (?:range|limit|usual|normal|lower)|en dessous|bas|basse|trop basse?)\b"
)
_INSIDE = re.compile(
    r"\b(?:inside|(?:is|was|were|lies|stayed) between|within|in (?:the )?range|in the|normale?|dedans|dans (?:l'intervalle|la norme|les limites))\b"
)
_STATUSES: dict[str, tuple[str, ...]] = {
    r"active|actif|current|ongoing|en cours": ("active",), r"stopped|discontinued|arretee?": ("stopped",), r"completed|finished|terminee?": ("completed", "finished"),
    r"resolved|resolue?|ended": ("resolved", "inactive", "remission"), r"inactive|inactif": ("inactive", "resolved"), r"final|definitif": ("final",),
    r"cancelled|annulee?": ("cancelled",), r"on hold": ("on-hold",), r"confirmed|confirmee?": ("confirmed",), r"suspected|unconfirmed": ("unconfirmed", "provisional"),
}  # fmt: skip


def hold(said: Said, facts: Sequence[Fact]) -> bool:
    """Whether every comparison of every clause does."""
    return all(_holds(clause, facts) for clause in said.clauses)


def _holds(clause: Clause, facts: Sequence[Fact]) -> bool:
    told = spoken_of(clause, facts)
    text = _FLAG.sub(" ", clause.text)
    return (
        _flags(clause.text, told)
        and _directions(text, told)
        and _positions(text, clause, told)
        and _states(text, told)
    )


def _flags(text: str, facts: Sequence[Fact]) -> bool:
    return all(newest(facts).flags & set(_FLAGS[match[1]]) for match in _FLAG.finditer(text))


def _directions(text: str, facts: Sequence[Fact]) -> bool:
    """The newest of the cited results of one kind against the oldest."""
    said = [
        name
        for name, pattern in (("up", _UP), ("down", _DOWN), ("same", _SAME))
        if pattern.search(_without_ranges(text))
    ]
    if not said:
        return True
    series = sorted((f for f in facts if f.value is not None), key=lambda f: f.order)
    if len(series) < 2 or len({f.concept for f in series}) > 1:
        return False
    old, new = series[0].value, series[-1].value
    assert old is not None
    assert new is not None
    way = "up" if new > old else "down" if new < old else "same"
    return said == [way]


def _without_ranges(text: str) -> str:
    """`higher than the range` compares with a range, not with another result."""
    return re.sub(r"\b(?:higher|lower) than (?:the )?(?:range|limit|usual|normal|upper|lower)\b", " ", text)


def _positions(text: str, clause: Clause, facts: Sequence[Fact]) -> bool:
    if re.search(r"\bcriti(?:cal|que)", text):
        return False
    bare = " ".join(_NOUN.sub(" range ", text).split())
    said = {
        name
        for name, pattern in (("above", _ABOVE), ("below", _BELOW), ("inside", _INSIDE))
        if pattern.search(bare)
    }
    if not said or (said <= {"above", "below"} and _only_numbers(bare)):
        return True
    judged = _judged(clause, facts)
    return bool(judged) and all(place(fact) == said or said <= place(fact) for fact in judged)


def _only_numbers(text: str) -> bool:
    """`above 200`: numbers.py compares it."""
    return not re.search(
        r"\b(?:high|low|elevated|elevee?|bas|basse|too|range|it|l'intervalle|normal)\b", text
    )


def _judged(clause: Clause, facts: Sequence[Fact]) -> list[Fact]:
    """The results that are judged: of the clause's day, or both, or the newest."""
    valued = [f for f in facts if f.value is not None]
    if not valued:
        return []
    if re.search(r"\b(?:both|all)\b", clause.text):
        return valued
    moments: tuple[Moment, ...] = clause.moments[:1]
    of_day = [f for m in moments for f in at(m, valued)]
    return of_day or [newest(valued)]


def place(fact: Fact) -> set[str]:
    """Where its value lies in its own range, or in any usual one where it has none; nowhere where none is known."""
    found = set()
    for low, high in fact.ranges or fact.usual:
        assert fact.value is not None
        found.add(
            "below"
            if low is not None and fact.value < low
            else "above"
            if high is not None and fact.value > high
            else "inside"
        )
    return found


def _states(text: str, facts: Sequence[Fact]) -> bool:
    for words, wanted in _STATUSES.items():
        if re.search(rf"\b(?:{words})\b", text) and not any(fact.statuses & set(wanted) for fact in facts):
            return False
    return True

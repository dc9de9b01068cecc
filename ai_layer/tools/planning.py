"""The steps of a request, by rule: each part of it is a question, a refill, a visit, or the wish for a person.

"check my sugar and book me with Dr Lee" -> explain("check my sugar"), draft_appointment(with Dr Lee). English and French.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

MOST_STEPS = 5
_PARTS = re.compile(
    r"\s*(?:[;.!?]+\s+|,?\s+(?:and then|then|and also|and|puis|ensuite|et aussi|et)\s+(?=" r"\w+\s+\w+))",
    re.I,
)
_DOCTOR = re.compile(r"\b(?:dr|doctor|docteur|dre)\.?\s+(?P<name>[^\W\d_][\w'\-]+)", re.I)
_VISIT = re.compile(
    r"\b(book|schedule|appointment|visit|see (?:a|the|my|dr|doctor)|rendez-vous|rdv|consultation|prendre.*rendez|voir (?:un|le|mon|dr|docteur))\b",
    re.I,
)
_REFILL = re.compile(
    r"\b(refills?|renew(?:al)?|re-?order|run(?:ning)? out|renouvel\w*|ordonnance|plus de (?:comprim|pilul)\w*)\b",
    re.I,
)
_FILLER = re.compile(
    r"\b(please|can you|could you|i (?:need|want|would like)|refills?|renew(?:al)?|re-?order|of|for|my|the|a|an|s'il (?:vous|te) pla[iî]t"
    r"|je (?:veux|voudrais)|renouvel\w*|ordonnance|mon|ma|mes|le|la|les|de|du|d')(?=\W|$)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One tool and its arguments; `medicine` and `doctor` are names that the record or the clinic still has to resolve."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    medicine: str = ""
    doctor: str = ""


def plan(request: str, language: str = "en") -> list[Step]:
    """At most MOST_STEPS steps, in the order of the request."""
    parts = [part for part in _PARTS.split(request.strip()) if part and part.strip(" ?.!")]
    return [_step(part.strip(), language) for part in parts[:MOST_STEPS]]


def _step(part: str, language: str) -> Step:
    if _REFILL.search(part):
        return Step("draft_refill", {"note": part}, medicine=_FILLER.sub(" ", part).strip(" ?.!,"))
    if _VISIT.search(part):
        doctor = _DOCTOR.search(part)
        return Step("draft_appointment", {"reason": part}, doctor=doctor["name"] if doctor else "")
    return Step("explain", {"question": part, "language": language})

"""guard: what is decided before anything is looked up, and what is never said afterwards. Pure.

Red flags come first, by patterns in redflags.json (English and French, with their source and review date): emergency advice, and a person.
Text inside records is data: it reaches no prompt as an instruction, and no sentence of advice on doses leaves here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ai_layer import phrases
from ai_layer.claims import Claim
from ai_layer.settings import QUESTION_LETTERS
from fhir_server.r4.outcome import FhirError, Problem
from terminology.text import fold

APOSTROPHE = "'"
KINDS = ("self_harm", "emergency", "person")
_DOSE = re.compile(
    r"\b(?:you (?:should|can|could|must|need to)|please|just|try|i (?:suggest|recommend|advise))\b[^.]*\b(?:take|stop|skip|double|halve|increase|reduce|raise|lower|start|change)\b"
    r"|\b(?:double|halve|skip|stop taking|increase your|reduce your|raise your|take (?:one|two|three|\d+|more|less|another|an extra))\b"
    r"|\b(?:vous (?:devriez|pouvez|devez)|prenez|arretez|doublez|augmentez|diminuez)\b",
    re.IGNORECASE,
)
_DIAGNOSIS = re.compile(
    r"\b(?:you (?:have|probably have|may have|might have|are suffering from)|you are diabetic|this means (?:that )?you have|vous (?:avez|souffrez de))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Escalation:
    """`kind` is emergency, self_harm or person; `advice` is what the patient is told first."""

    kind: str
    advice: str


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("ai_layer").joinpath("redflags.json").read_text())
    return found


@cache
def _patterns(kind: str) -> re.Pattern[str]:
    # Folding turns an apostrophe into a space: `can't` is read as `can t`.
    return re.compile(
        "|".join(
            f"(?:{pattern.replace(APOSTROPHE + '?', ' ?').replace(APOSTROPHE, ' ?')})"
            for pattern in _table()[kind]
        )
    )


def before(question: str, language: str) -> Escalation | None:
    """The escalation that the words call for. Raises TOO_LARGE, or BAD_PARAMETER where nothing is asked."""
    if not question.strip():
        raise FhirError(Problem.BAD_PARAMETER, "question: something has to be asked.", "Parameters.parameter")
    if len(question) > QUESTION_LETTERS:
        raise FhirError(
            Problem.TOO_LARGE, f"question: at most {QUESTION_LETTERS} letters.", "Parameters.parameter"
        )
    text = fold(question)
    for kind in KINDS:
        if _patterns(kind).search(text) and not _is_about_the_past(text):
            return Escalation(kind, _table()["advice"][phrases.language_of(language)][kind])
    return None


_PAST = re.compile(
    r"^(?:when (?:was|were|did)|quand (?:ai je|a ete|etait)) "
    r"|^(?:did|have|had|was|what|does|do|is|are|has|list|show|which|est ce|ai je|quel\w*)\b.*\b(?:my (?:record|chart|history)|ever|in (?:19|20)\d\d"
    r"|last year|diagnos|screening|risk|family|mean|test|prevent|dossier|antecedents|jamais)\b"
)


def _is_about_the_past(text: str) -> bool:
    """`Have I ever had a stroke?` asks the record; it tells of nothing that is happening."""
    return bool(_PAST.search(text)) and not re.search(
        r"\b(?:now|right now|today|currently|am having|maintenant|en ce moment)\b", text
    )


def allowed(claim: Claim) -> bool:
    """No dose advice and no diagnosis, whoever wrote the sentence."""
    return not _DOSE.search(fold(claim.text)) and not _DIAGNOSIS.search(claim.text)

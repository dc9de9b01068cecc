"""guard: what is decided before anything is looked up, and what is never said afterwards. Pure.

Red flags come first (triage.py, redflags.json): emergency advice, and a person, even where the question is too long to be answered.
Text inside records is data: it reaches no prompt as an instruction, and no sentence of advice on doses leaves here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ai_layer import phrases
from ai_layer.claims import Claim
from ai_layer.settings import QUESTION_LETTERS, READ_LETTERS
from ai_layer.triage import table, triage
from fhir_server.r4.outcome import FhirError, Problem
from terminology.text import fold

_DOSE = re.compile(
    r"\b(?:you (?:should|can|could|must|need to)|please|just|try|i (?:suggest|recommend|advise))\b[^.]*\b(?:take|stop|skip|double|halve|increase|reduce|raise|lower|start|change)\b"
    r"|\b(?:double|halve|skip|stop taking|increase your|reduce your|raise your|take (?:one|two|three|\d+|more|less|another|an extra))\b"
    r"|\b(?:vous (?:devriez|pouvez|devez)|prenez|arretez|doublez|augmentez|diminuez)\b",
    re.IGNORECASE,
)
_DIAGNOSIS = re.compile(
    r"\b(?:you (?:have|probably have|may have|might have|are suffering from)|you are diabetic|this means (?:that )?you have|vous (?:avez(?! (?:reçu|recu|eu)\b)|souffrez de))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Escalation:
    """`kind` is emergency, self_harm or person; `advice` is what the patient is told first."""

    kind: str
    advice: str


def before(question: str, language: str) -> Escalation | None:
    """The escalation that the words call for. Raises TOO_LARGE, or BAD_PARAMETER where nothing is asked."""
    if not question.strip():
        raise FhirError(Problem.BAD_PARAMETER, "question: something has to be asked.", "Parameters.parameter")
    if kind := triage(question[:READ_LETTERS]):
        return Escalation(kind, table()["advice"][phrases.language_of(language)][kind])
    if len(question) > QUESTION_LETTERS:
        raise FhirError(
            Problem.TOO_LARGE, f"question: at most {QUESTION_LETTERS} letters.", "Parameters.parameter"
        )
    return None


def allowed(claim: Claim) -> bool:
    """No dose advice and no diagnosis, whoever wrote the sentence."""
    return not _DOSE.search(fold(claim.text)) and not _DIAGNOSIS.search(claim.text)

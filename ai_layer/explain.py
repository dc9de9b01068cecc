"""explain: evidence -> claims, written by rule. The default writer, and what any other writer is measured against.

One function a resource type; each claim cites the versions and elements that it rests on. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from ai_layer import phrases, results
from ai_layer.beside import mixture, panel
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.phrases import sentence, word
from ai_layer.question import Question
from terminology import lay
from terminology.coding import codings_of

MOST_GROUPS = 6
"""Concepts that one answer speaks of; a list of a kind speaks of more."""
MOST_LISTED = 30


@dataclass(frozen=True, slots=True)
class Person:
    """What of a patient decides a usual range: sex, and age in years."""

    sex: str | None = None
    age: float | None = None


def explain(
    question: Question, evidence: Sequence[Evidence], person: Person, medicines: Sequence[Evidence] = ()
) -> list[list[Claim]]:
    """The claims of each concept, in the order of the evidence; the first of them says what the others speak of.

    `medicines` are the orders of this record that go on: those that bear on a result are told beside it."""
    language = phrases.language_of(question.language)
    is_report = bool(evidence) and evidence[0].type == "DiagnosticReport"
    groups = _groups(evidence)[: MOST_LISTED if question.lists_a_kind or is_report else MOST_GROUPS]
    told: list[list[Claim]] = []
    for group in groups:
        newest = sorted(group, key=lambda e: e.time or _NEVER, reverse=question.time.wants != "first")
        if group[0].type == "Observation":
            told.append(
                results.claims(newest, language, person.sex, person.age, question.time.wants, medicines)
            )
        else:
            told.append(_WRITERS[group[0].type](newest, language, person, question))
    if is_report:
        told.insert(1, panel(evidence[1:], language))
    return told


def definition(question: Question) -> list[Claim]:
    """What a word means, from the plain-word entries and their sources; the record is not looked at."""
    language = phrases.language_of(question.language)
    return [
        Claim(
            sentence(language, "definition", name=entry.name_in(language), about=entry.about_in(language)),
            (),
            (),
            entry.source,
        )
        for entry in question.concepts[:2]
    ]


_NEVER = datetime.min.replace(tzinfo=results.UTC)


def _groups(evidence: Sequence[Evidence]) -> list[list[Evidence]]:
    """Evidence on the same concept together, in the order in which the concepts come."""
    order: dict[tuple[str, str], int] = {}
    for item in evidence:
        order.setdefault(_concept(item), len(order))
    together = sorted(evidence, key=lambda e: order[_concept(e)])
    return [list(group) for _, group in groupby(together, key=_concept)]


def _concept(item: Evidence) -> tuple[str, str]:
    return item.type, item.codings[0].code if item.codings and item.codings[0].code else item.label


def _name(item: Evidence, language: str) -> str:
    """The plain name, with the record's own where the two differ."""
    entry = lay.describe_any(item.codings, item.label)
    plain = entry.name_in(language) if entry else ""
    if not plain or plain.lower() in item.label.lower():
        return item.label
    return f"{plain} ({item.label})"


def _status(item: Evidence, *names: str) -> str:
    for name in names:
        found = item.elements.get(name)
        if isinstance(found, str):
            return found
        code = next((c.code for c in codings_of(found) if c.code), "") if isinstance(found, dict) else ""
        if code:
            return code
    return ""


def _condition(group: Sequence[Evidence], language: str, person: Person, question: Question) -> list[Claim]:
    item = group[0]
    status = _status(item, "clinicalStatus")
    form = (
        "condition_undated"
        if item.time is None
        else "condition_ended"
        if status in ("resolved", "inactive", "remission")
        else "condition"
    )
    text = sentence(
        language,
        form,
        name=_name(item, language),
        status=word(language, status),
        date=phrases.date(language, item.time),
    )
    return [Claim(text, (item.reference,), ("Condition.code",)), *_about(item, language)]


def _medicine(group: Sequence[Evidence], language: str, person: Person, question: Question) -> list[Claim]:
    item = group[0]
    form = "medicine" if item.time else "medicine_undated"
    status = word(language, _status(item, "status"))
    text = sentence(
        language, form, name=_name(item, language), status=status, date=phrases.date(language, item.time)
    )
    return [Claim(text, (item.reference,), ("MedicationRequest.medication",)), *_about(item, language)]


def _allergy(group: Sequence[Evidence], language: str, person: Person, question: Question) -> list[Claim]:
    item = group[0]
    status = word(language, _status(item, "clinicalStatus", "verificationStatus"))
    text = sentence(language, "allergy", name=_name(item, language), status=status)
    return [Claim(text, (item.reference,), ("AllergyIntolerance.code",))]


def _dated(form: str, path: str) -> Callable[[Sequence[Evidence], str, Person, Question], list[Claim]]:
    def write(group: Sequence[Evidence], language: str, person: Person, question: Question) -> list[Claim]:
        item = group[0]
        status = word(language, _status(item, "status"))
        text = sentence(
            language, form, name=_name(item, language), date=phrases.date(language, item.time), status=status
        )
        return [Claim(text, (item.reference,), (path,))]

    return write


def _about(item: Evidence, language: str) -> list[Claim]:
    """What it is, from the plain-word entry; the sentence names its source."""
    entry = lay.describe_any(item.codings, item.label)
    if entry is None:
        return mixture(item, language)
    return [Claim(entry.about_in(language), (item.reference,), (f"{item.type}.code",), entry.source)]


Writer = Callable[[Sequence[Evidence], str, Person, Question], list[Claim]]
_WRITERS: dict[str, Writer] = {
    "Condition": _condition,
    "MedicationRequest": _medicine,
    "AllergyIntolerance": _allergy,
    "Procedure": _dated("procedure", "Procedure.code"),
    "Immunization": _dated("vaccine", "Immunization.vaccineCode"),
    "DiagnosticReport": _dated("report", "DiagnosticReport.code"),
}

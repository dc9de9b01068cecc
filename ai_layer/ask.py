"""ask: from a patient's question to an answer whose every line cites the chart. The whole path, in order.

Decide, guard, retrieve under the Access, keep the least elements, write, check each claim against what it cites, record it.
No Access, no audit or no patient: no answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ai_layer import chat, guard, record
from ai_layer.answers import RULES, Answer, Searched
from ai_layer.beside import asked_next, concerns
from ai_layer.claims import Claim
from ai_layer.danger import danger
from ai_layer.evidence import Evidence, manifest
from ai_layer.explain import Person, definition, explain
from ai_layer.ground import grounded
from ai_layer.handoff import hand_off
from ai_layer.permission import Permission, permission, refused
from ai_layer.phrases import language_of, sentence
from ai_layer.question import ALLERGY, Question, understand, understand_after
from ai_layer.recorded import recorded
from ai_layer.retrieve import anchored, evidence_of, retrieve
from ai_layer.settings import QUESTION_LETTERS, AiSettings
from ai_layer.shield import Shield
from fhir_server.interactions.context import Context

MOST_EVIDENCE = 40
EXPLAINED = ("Observation", "DiagnosticReport", "Condition", "MedicationRequest")


def ask(context: Context, patient_id: str, text: str, language: str = "en", previous: str = "") -> Answer:
    """Answer a question from one patient's record, and from that record alone. `previous`: the question before, kept by who asks."""
    escalation = guard.before(text, language)
    with context.transaction() as inside:
        assert inside.connection is not None
        settings = AiSettings.of(context.service.settings)
        patient = record.patient(inside.connection, context.access, patient_id, context.now())
        if escalation:
            return recorded(inside, "ask", patient_id, hand_off(inside, patient_id, escalation))
        allowed = permission(inside, patient_id, settings)
        if refusal := refused(allowed):
            return recorded(inside, "ask", patient_id, refusal)
        if escalated := danger(inside, patient_id, allowed, language):
            return recorded(inside, "ask", patient_id, escalated)
        question = understand_after(text, previous[:QUESTION_LETTERS], language, context.now())
        question = anchored(inside.connection, context.access, patient_id, question)
        if question.is_definition:
            return recorded(inside, "ask", patient_id, Answer("answered", tuple(definition(question))))
        found = retrieve(
            inside.connection, context.access, patient_id, question, settings.embedder, MOST_EVIDENCE
        )
        kept = evidence_of(allowed.kept(found), context.access.purpose)
        evidence = asked_of(question, borne_out(question, kept))
        medicines = medicines_beside(inside, patient_id, allowed, settings, evidence)
        shield = record.shield(inside.connection, patient, settings)
        answer = written(context, settings, question, evidence, patient.person, medicines, shield)
        return recorded(inside, "ask", patient_id, replace(answer, not_searched=allowed.not_searched))


def medicines_beside(
    context: Context, patient_id: str, allowed: Permission, settings: AiSettings, evidence: Sequence[Evidence]
) -> list[Evidence]:
    """The orders that go on, where medicines can bear on a result among the evidence."""
    if not concerns(evidence):
        return []
    assert context.connection is not None
    question = understand("my medicines", "en", context.now())
    found = retrieve(
        context.connection, context.access, patient_id, question, settings.embedder, MOST_EVIDENCE
    )
    kept = evidence_of(allowed.kept(found), context.access.purpose)
    return [item for item in kept if item.is_current]


def written(
    context: Context,
    settings: AiSettings,
    question: Question,
    evidence: Sequence[Evidence],
    person: Person,
    medicines: Sequence[Evidence] = (),
    shield: Shield | None = None,
) -> Answer:
    """The claims that stand; where none does, what is missing is said, and nothing is concluded from it.

    Without a Shield no model is asked. The manifest is over what the writer got: all that went out to a model, or what the rules cite."""
    every = [
        *evidence,
        *(item for item in medicines if item.reference not in {e.reference for e in evidence}),
    ]
    told = explain(question, evidence, person, medicines)
    by_rule = [claim for group in told for claim in standing(group, every)]
    done = (
        chat.rephrased(settings, question, every, by_rule, shield) if shield else chat.Written(by_rule, RULES)
    )
    claims, writer = done.claims, done.writer
    cited = done.sent or tuple(_cited(claims, every))
    looked = tuple(searched(question, evidence))
    proof = manifest(cited, context.access.reason, writer)
    if not claims:
        return Answer(
            "abstained", text=_absent(question), searched=looked, manifest=proof, lead=lead(question)
        )
    return Answer(
        *("answered", tuple(claims)),
        evidence=cited,
        searched=looked,
        manifest=proof,
        writer=writer,
        lead=lead(question),
        usage=done.usage,
    )


def with_next(answer: Answer, item: Evidence, language: str) -> Answer:
    """An explanation, and what people usually ask a clinician next."""
    if answer.status != "answered" or item.type not in EXPLAINED:
        return answer
    return replace(answer, claims=(*answer.claims, *asked_next(item, language_of(language))))


def lead(question: Question) -> str:
    """What is said first where somebody else is named, or a clinician has to be asked."""
    language = language_of(question.language)
    said = [sentence(language, "own_record")] if question.speaks_of_another else []
    return " ".join([*said, sentence(language, "clinician")] if question.asks_for_advice else said)


def asked_of(question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
    """The evidence, without the newest of each concept where what was before it is asked for."""
    if not question.asks_for_what_was_before:
        return list(evidence)
    newest: dict[str, datetime] = {}
    for item in evidence:
        if item.time:
            newest[item.label] = max(item.time, newest.get(item.label, item.time))
    return [item for item in evidence if item.time and item.time < newest[item.label]]


def standing(told: Sequence[Claim], evidence: Sequence[Evidence]) -> list[Claim]:
    """The claims of one concept that stand; where the first one falls, nobody would know what the others speak of."""
    kept = grounded([claim for claim in told if guard.allowed(claim)], evidence)
    return kept if kept and kept[0] is told[0] else []


def borne_out(question: Question, evidence: Sequence[Evidence]) -> list[Evidence]:
    """Evidence on what was asked: of the named kind, or about the named thing. Likeness alone decides nothing."""
    if question.lists_a_kind:
        listed = [item for item in evidence if item.type in question.types]
        return (
            listed if question.asks_for_the_past else ([item for item in listed if item.is_current] or listed)
        )
    named = [item for item in evidence if item.is_named]
    if ALLERGY in question.types:
        return [item for item in named if item.type == ALLERGY]
    if question.concepts:
        exact = [item for item in named if {c.code for c in item.codings} & set(question.codes)]
        named = exact or named
    return named


def searched(question: Question, evidence: Sequence[Evidence]) -> list[Searched]:
    """What was looked at, by type."""
    counts = Counter(item.type for item in evidence)
    types = sorted({*counts, *question.types}) or ["Observation"]
    return [Searched(kind, counts[kind], question.time.since, question.time.until) for kind in types]


def _cited(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> list[Evidence]:
    wanted = {reference for claim in claims for reference in claim.citations}
    return [item for item in evidence if item.reference in wanted]


def _absent(question: Question) -> str:
    language = language_of(question.language)
    if question.lists_a_kind:
        return sentence(language, "none_kind")
    names = [entry.name_in(language) for entry in question.concepts[:1]]
    return sentence(language, "none", what=names[0] if names else sentence(language, "what_you_asked"))

"""danger: a critical result of the last days that nobody has taken up comes before whatever is asked: advice, a Task, and nothing else.

Only the newest result of each code counts; one that a Task stands for is with the care team already. https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from datetime import timedelta

from ai_layer.answers import Answer
from ai_layer.beside import is_critical
from ai_layer.evidence import Evidence, evidence_from, manifest
from ai_layer.guard import Escalation
from ai_layer.handoff import hand_off
from ai_layer.passages import EXCLUDED
from ai_layer.permission import Permission
from ai_layer.phrases import language_of
from ai_layer.recorded import as_system
from ai_layer.results import value_claim
from ai_layer.triage import table
from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.store.read import version_of

NEW = timedelta(days=14)
"""How long a critical result is new."""
LOOKED_AT = 400
_NEWEST = """
SELECT DISTINCT ON (p.code) r.rid, r.type, r.id, r.version, r.last_updated, r.body FROM passage p JOIN resource r ON r.rid = p.rid
WHERE p.patient = (SELECT rid FROM resource WHERE type = %s AND id = %s) AND p.type = %s AND p.value IS NOT NULL AND p.time >= %s
  AND p.status <> ALL(%s) AND r.body IS NOT NULL AND ({access}) ORDER BY p.code, p.time DESC, p.rid DESC LIMIT %s
"""


def danger(context: Context, patient_id: str, allowed: Permission, language: str) -> Answer | None:
    """The escalation that a new critical result calls for."""
    told = language_of(language)
    for item in _new(context, patient_id, allowed):
        if is_critical(item, told) and not _is_taken_up(context, item):
            return _escalated(context, patient_id, item, told)
    return None


def _new(context: Context, patient_id: str, allowed: Permission) -> list[Evidence]:
    assert context.connection is not None
    access = context.access.on("r")
    values = (TYPE_CODE["Patient"], patient_id, TYPE_CODE["Observation"], context.now() - NEW, list(EXCLUDED))
    rows = context.connection.execute(
        _NEWEST.format(access=access.text), (*values, *access.values, LOOKED_AT)
    ).fetchall()
    found = [version_of(row) for row in rows]
    purpose = context.access.purpose
    return [evidence_from(v.body, v.version, purpose) for v in found if v.body and allowed.allows(v.body)]


def _is_taken_up(context: Context, item: Evidence) -> bool:
    reference = item.reference.partition("/_history/")[0]
    found = search(as_system(context), "Task", [("focus", reference), ("_summary", "count")])
    return bool(json.decode_object(found.body or b"{}").get("total"))


def _escalated(context: Context, patient_id: str, item: Evidence, language: str) -> Answer:
    claims = (value_claim(item, language), *is_critical(item, language))
    escalation = Escalation("danger", table()["advice"][language]["danger"])
    answer = hand_off(context, patient_id, escalation, focus=item.reference.partition("/_history/")[0])
    proof = manifest([item], context.access.reason, answer.writer)
    text = " ".join([escalation.advice, *(claim.text for claim in claims)])
    return Answer(
        *(answer.status, claims, text, (item,)),
        manifest=proof,
        reason=answer.reason,
        advice=escalation.advice,
        task=answer.task,
    )

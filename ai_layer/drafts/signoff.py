"""Task/$sign-off: a clinician approves or rejects a draft. The only way that a draft moves on.

The checks run again at this moment; draft, result, Task, Provenance and AuditEvent change in one transaction; of two clinicians at once
one wins, the other gets 409. https://hl7.org/fhir/R4/task.html#statemachine
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.approval import Approval, approve_appointment, approve_cancellation, approve_refill
from ai_layer.drafts.checks import reference
from ai_layer.drafts.checks.reading import elements, plain, target
from ai_layer.drafts.lane import annotation, check_input, code_of, discreet, with_labels
from ai_layer.drafts.seal import break_seal
from ai_layer.drafts.told import parameter, recorded_refusals, referring, text_of
from ai_layer.recorded import as_system, occasion
from fhir_server.access import audit, provenance
from fhir_server.access.actor import Role
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.interactions.update import update
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.service import is_unsigned_draft
from fhir_server.store.write import instant

Json = dict[str, Any]
NOTE_LETTERS = 2000
OPEN = frozenset(["requested", "received", "accepted", "ready", "in-progress"])
"""Statuses of a Task that somebody may have taken up, and nobody has decided. https://hl7.org/fhir/R4/valueset-task-status.html"""
RETRACTED: Json = {
    "system": provenance.LIFECYCLE,
    "code": "deprecate",
    "display": "Deprecate Record Lifecycle Event",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """`seen`: the version of the draft that the clinician decided on, where it is stated."""

    word: str
    note: str
    seen: str


@recorded_refusals("sign-off")
def sign_off(context: Context, request: OperationRequest) -> Result:
    """`decision` approve or reject, `note`. CONFLICT where the Task is decided already, or what it rests on has changed."""
    decision = _decision(context, request)
    with context.transaction() as inside:
        assert inside.connection is not None
        task = chart.locked(inside.connection, context.access, "Task", request.id)
        draft = _draft(inside, task, decision)
        break_seal(inside.connection, plain(draft))
        done = _acts(task)[decision.word](inside, task, draft)
        _close(inside, task, decision, done)
        _prove(inside, task, draft, decision, done)
        told = [parameter(check) for check in done.told]
        return parameters_result([*referring(result=done.result, task=plain(task)), *told])


def _decision(context: Context, request: OperationRequest) -> Decision:
    if context.access.actor.role is not Role.CLINICIAN or not context.access.actor.fhir_user:
        raise FhirError(Problem.FORBIDDEN, "Only a clinician, signed in, moves a draft on.")
    word = text_of(request, "decision")
    if word not in DECISIONS:
        raise FhirError(Problem.BAD_PARAMETER, f"decision: expected {' or '.join(DECISIONS)}.")
    seen = request.value("draft", "")
    named = seen.get("reference", "") if isinstance(seen, dict) else seen
    return Decision(word, text_of(request, "note", NOTE_LETTERS), str(named))


def _draft(context: Context, task: Json, decision: Decision) -> Json:
    """The draft in the Task's focus, locked, as it waits for the decision."""
    assert context.connection is not None
    if task.get("status") not in OPEN:
        raise FhirError(Problem.CONFLICT, f"The Task is {task.get('status')} already.", "Task.status")
    focus = target(task.get("focus"))
    if not focus.startswith(("MedicationRequest/", "Appointment/")):
        raise FhirError(Problem.NOT_PROCESSABLE, "The Task has no draft in focus.", "Task.focus")
    draft = chart.still_there(context.connection, as_system(context).access, focus, "draft")
    if code_of(task) != CANCELLATION and not is_unsigned_draft(draft):
        raise FhirError(Problem.CONFLICT, f"The draft is {draft.get('status')} already.")
    if decision.seen and decision.seen != reference(draft):
        raise FhirError(Problem.CONFLICT, "The draft has changed since that version.", "draft")
    if target(task.get("for")) not in _people(draft):
        raise FhirError(Problem.CONFLICT, "The draft is not for the patient of the Task.", "Task.for")
    return draft


def _people(draft: Json) -> list[str]:
    participants = [target(each.get("actor")) for each in elements(draft, "participant")]
    return [target(draft.get("subject")), *participants]


def _approve(context: Context, task: Json, draft: Json) -> Approval:
    """What the clinician's own token could not write, no approval writes either."""
    if draft["resourceType"] == "Appointment":
        context.access.require("update", "Appointment")
        return approve_appointment(context, task, draft)
    context.access.require("create", "MedicationRequest")
    return approve_refill(context, task, draft)


def _cancel(context: Context, task: Json, visit: Json) -> Approval:
    context.access.require("update", "Appointment")
    return approve_cancellation(context, task, visit)


def _keep(context: Context, task: Json, visit: Json) -> Approval:
    """The visit stays as it is."""
    return Approval(plain(visit), ())


def _reject(context: Context, task: Json, draft: Json) -> Approval:
    """A draft that was rejected is cancelled, in both types' own words."""
    version = int(draft["meta"]["versionId"])
    moved = update(
        as_system(context), draft["resourceType"], draft["id"], draft | {"status": "cancelled"}, version
    )
    return Approval(plain(draft), (moved.location,))


def _close(context: Context, task: Json, decision: Decision, done: Approval) -> None:
    who = {"reference": context.access.actor.fhir_user}
    outcome = {"type": {"text": decision.word}, "valueReference": {"reference": done.result}}
    closed = task | {
        "status": "completed" if decision.word == "approve" else "rejected",
        "lastModified": instant(context.now()),
        "owner": who,
        "output": [outcome, *map(check_input, discreet(context, target(task.get("for")), done.checks))],
    }
    closed = with_labels(closed, done.labels)
    if decision.note:
        closed["note"] = [*task.get("note", ()), annotation(context, decision.note)]
    if decision.word == "reject":
        closed["statusReason"] = {"text": decision.note or "Rejected by the clinician."}
    update(as_system(context), "Task", task["id"], closed, int(task["meta"]["versionId"]))


def _prove(context: Context, task: Json, draft: Json, decision: Decision, done: Approval) -> None:
    """A Provenance of what was written, and the AuditEvent also where nothing was."""
    system, actor = as_system(context), context.access.actor
    if done.written:
        proof = provenance.verified(
            done.written, context.now(), actor, reference(draft), _author(system, draft)
        )
        if decision.word == "reject":
            proof["activity"] = {"coding": [RETRACTED]}
        create(system, "Provenance", proof)
    patient = target(task.get("for")).partition("/")[2]
    event = audit.signed_off(
        occasion(context), decision.word, reference(draft), plain(task), done.result, patient
    )
    context.record_event(event)


def _author(system: Context, draft: Json) -> str:
    """The Device that wrote the draft, as its first Provenance says."""
    proofs = chart.found(system, "Provenance", ("target", plain(draft)), ("_sort", "recorded"))
    agents = (agent for proof in proofs for agent in elements(proof, "agent"))
    devices = (target(agent.get("who")) for agent in agents)
    return next((name for name in devices if name.startswith("Device/")), "")


Act = Callable[[Context, Json, Json], Approval]
DECISIONS: dict[str, Act] = {"approve": _approve, "reject": _reject}
ON_CANCELLATIONS: dict[str, Act] = {"approve": _cancel, "reject": _keep}
CANCELLATION = "cancellation"


def _acts(task: Json) -> dict[str, Act]:
    return ON_CANCELLATIONS if code_of(task) == CANCELLATION else DECISIONS

"""Task/$sign-off: a clinician approves or rejects a draft. The only way that a draft moves on.

The checks run again at this moment; draft, result, Task, Provenance and AuditEvent change in one transaction; of two clinicians at once
one wins, the other gets 409. https://hl7.org/fhir/R4/task.html#statemachine
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import Check, blocking, reference
from ai_layer.drafts.refill import checked
from ai_layer.drafts.visits import overlaps
from ai_layer.recorded import as_system, occasion
from fhir_server.access import audit, provenance
from fhir_server.access.actor import Role
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.interactions.update import update
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import instant

Json = dict[str, Any]
DECISIONS = ("approve", "reject")


def sign_off(context: Context, request: OperationRequest) -> Result:
    """`decision` approve or reject, `note`. CONFLICT where the Task is decided already, or what it rests on has changed."""
    decision, note = str(request.value("decision", "")), str(request.value("note", "") or "")
    if context.access.actor.role is not Role.CLINICIAN or not context.access.actor.fhir_user:
        raise FhirError(Problem.FORBIDDEN, "Only a clinician, signed in, moves a draft on.")
    if decision not in DECISIONS:
        raise FhirError(Problem.BAD_PARAMETER, "decision: expected approve or reject.")
    with context.transaction() as inside:
        assert inside.connection is not None
        task = chart.locked(inside.connection, context.access, "Task", request.id)
        draft = _draft(inside, task)
        act = _ACTS[decision, draft["resourceType"]]
        result = act(inside, draft)
        _close(inside, task, decision, note, result)
        _prove(inside, task, draft, decision, result)
        return _answer(result, task)


def _draft(context: Context, task: Json) -> Json:
    assert context.connection is not None
    if task.get("status") != "requested":
        raise FhirError(Problem.CONFLICT, f"The Task is {task.get('status')} already.", "Task.status")
    kind, _, logical_id = task.get("focus", {}).get("reference", "").partition("/")
    if kind not in ("MedicationRequest", "Appointment"):
        raise FhirError(Problem.NOT_PROCESSABLE, "The Task has no draft in focus.", "Task.focus")
    draft = chart.locked(context.connection, as_system(context).access, kind, logical_id)
    if draft.get("status") not in ("draft", "proposed"):
        raise FhirError(Problem.CONFLICT, f"The draft is {draft.get('status')} already.")
    return draft


def _approve_refill(context: Context, draft: Json) -> Json:
    """A new active order, based on the proposal; the proposal is completed."""
    assert context.connection is not None
    prior = draft.get("priorPrescription", {}).get("reference", "").partition("/")[2]
    order = chart.locked(context.connection, as_system(context).access, "MedicationRequest", prior)
    _refuse_blocked(checked(context, order, order["subject"]["reference"].partition("/")[2]))
    kept = {k: v for k, v in draft.items() if k not in ("id", "meta", "text")}
    made = kept | {
        "status": "active",
        "intent": "order",
        "basedOn": [{"reference": f"MedicationRequest/{draft['id']}"}],
        "requester": {"reference": context.access.actor.fhir_user},
        "authoredOn": instant(context.now()),
    }
    result = create(as_system(context), "MedicationRequest", made)
    _moved(context, draft, "completed")
    return {"reference": f"MedicationRequest/{result.id}"}


def _refuse_blocked(checks: list[Check]) -> None:
    blocked = blocking(checks)
    if blocked:
        raise FhirError(
            Problem.CONFLICT, "A check blocks it now: " + " ".join(check.text for check in blocked)
        )


def _approve_appointment(context: Context, draft: Json) -> Json:
    """Booked, its Slots busy; a Slot that is not free any more stops it."""
    assert context.connection is not None
    system = as_system(context)
    patient = next(
        p["actor"]["reference"]
        for p in draft["participant"]
        if p["actor"]["reference"].startswith("Patient/")
    )
    held = chart.record(context.connection, system.access, patient.partition("/")[2], ("Appointment",)).get(
        "Appointment", []
    )
    if overlaps(draft, [a for a in held if a["id"] != draft["id"] and a["status"] == "booked"]):
        raise FhirError(Problem.CONFLICT, "The patient has another appointment booked for that time.")
    for found in sorted(s["reference"] for s in draft.get("slot", ())):
        slot = chart.locked(context.connection, system.access, "Slot", found.partition("/")[2])
        if slot.get("status") != "free":
            raise FhirError(Problem.CONFLICT, "The Slot is not free any more.")
        update(system, "Slot", slot["id"], slot | {"status": "busy"})
    people = [p | {"status": "accepted"} for p in draft["participant"]]
    _moved(context, draft | {"participant": people}, "booked")
    return {"reference": f"Appointment/{draft['id']}"}


def _reject(context: Context, draft: Json) -> Json:
    _moved(context, draft, "cancelled")
    return {"reference": f"{draft['resourceType']}/{draft['id']}"}


def _moved(context: Context, draft: Json, status: str) -> None:
    """The draft's next status; if_match holds what was read, though its row is locked."""
    version = int(draft["meta"]["versionId"])
    update(
        as_system(context), draft["resourceType"], draft["id"], draft | {"status": status}, if_match=version
    )


def _close(context: Context, task: Json, decision: str, note: str, result: Json) -> None:
    done = task | {
        "status": "completed" if decision == "approve" else "rejected",
        "lastModified": instant(context.now()),
        "owner": {"reference": context.access.actor.fhir_user},
        "output": [{"type": {"text": decision}, "valueReference": result}],
    }
    if note:
        done["note"] = [
            *task.get("note", ()),
            {"text": note, "authorReference": {"reference": context.access.actor.fhir_user}},
        ]
    if decision == "reject":
        done["statusReason"] = {"text": note or "Rejected by the clinician."}
    update(as_system(context), "Task", task["id"], done, if_match=int(task["meta"]["versionId"]))


def _prove(context: Context, task: Json, draft: Json, decision: str, result: Json) -> None:
    system, actor = as_system(context), context.access.actor
    create(
        system,
        "Provenance",
        provenance.verified([result["reference"]], context.now(), actor, reference(draft)),
    )
    patient = task["for"]["reference"].partition("/")[2]
    event = audit.signed_off(
        occasion(context), decision, reference(draft), f"Task/{task['id']}", result["reference"], patient
    )
    create(system, "AuditEvent", event)


def _answer(result: Json, task: Json) -> Result:
    return parameters_result(
        [
            {"name": "result", "valueReference": result},
            {"name": "task", "valueReference": {"reference": f"Task/{task['id']}"}},
        ]
    )


Act = Callable[[Context, Json], Json]
_ACTS: dict[tuple[str, str], Act] = {
    ("approve", "MedicationRequest"): _approve_refill,
    ("approve", "Appointment"): _approve_appointment,
    ("reject", "MedicationRequest"): _reject,
    ("reject", "Appointment"): _reject,
}

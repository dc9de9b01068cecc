"""The draft lane: what every draft comes with: the label AIAST, the Device that wrote it, a Task for a person, a Provenance.

https://hl7.org/fhir/R4/task.html and https://hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_layer.drafts.checks import Check
from ai_layer.recorded import as_system, occasion
from fhir_server.access import audit, provenance
from fhir_server.interactions.capabilities import VERSION
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.interactions.update import update
from fhir_server.operations.registry import parameters_result
from fhir_server.service import AIAST
from fhir_server.store.write import instant

Json = dict[str, Any]
LABEL = {"system": AIAST[0], "code": AIAST[1], "display": "Artificial Intelligence asserted"}
CODES = "https://chartline.example/task-code"
WRITER = "Chartline drafts"


def labelled(resource: Json) -> Json:
    """The resource, marked as written by an AI."""
    meta = dict(resource.get("meta") or {})
    return resource | {"meta": meta | {"security": [*meta.get("security", ()), LABEL]}}


def device(context: Context) -> str:
    """The Device that writes drafts, made once for each version of this software."""
    resource = provenance.device(WRITER, VERSION)
    update(as_system(context), "Device", resource["id"], resource)
    return f"Device/{resource['id']}"


def task(
    context: Context,
    code: str,
    patient_id: str,
    *,
    focus: str = "",
    checks: Sequence[Check] = (),
    note: str = "",
    basis: str = "",
) -> Json:
    """A Task that asks a clinician: to sign off the draft in focus, or (without one) to decide what a check blocked."""
    found: Json = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal" if focus else "order",
        "priority": "routine",
        "code": {"coding": [{"system": CODES, "code": code}]},
        "for": {"reference": f"Patient/{patient_id}"},
        "authoredOn": instant(context.now()),
    }
    if focus:
        found["focus"] = {"reference": focus}
    if basis:
        found["basedOn"] = [{"reference": basis}]
    if note:
        found["note"] = [{"text": note}]
    found["input"] = [_input(check) for check in checks]
    if not found["input"]:
        del found["input"]
    blocked = [check.text for check in checks if check.result == "block"]
    if blocked:
        found["description"] = " ".join(blocked)
    return found


def _input(check: Check) -> Json:
    return {
        "type": {"coding": [{"system": f"{CODES}/check", "code": check.name}], "text": check.result},
        "valueString": check.text,
    }


def draft_kept(
    context: Context,
    operation: str,
    draft: Json | None,
    code: str,
    patient_id: str,
    checks: Sequence[Check],
    **task_parts: str,
) -> Result:
    """Write the draft (if nothing blocks it), its Task, Provenance and AuditEvent; answer with their references."""
    system, focus = as_system(context), ""
    if draft is not None:
        writer = device(context)
        made = create(system, draft["resourceType"], labelled(draft))
        focus = f"{made.type}/{made.id}"
        sources = [c for check in checks for c in check.citations]
        create(
            system,
            "Provenance",
            provenance.drafted(
                [f"{focus}/_history/{made.version}"],
                context.now(),
                writer,
                context.access.actor,
                list(dict.fromkeys(sources)),
            ),
        )
    asked = create(system, "Task", task(context, code, patient_id, focus=focus, checks=checks, **task_parts))
    event = audit.drafted(occasion(context), operation, focus, f"Task/{asked.id}", patient_id)
    create(system, "AuditEvent", event)
    return parameters_result([*_references(focus, f"Task/{asked.id}"), *map(check_parameter, checks)])


def _references(draft: str, task_reference: str) -> list[Json]:
    found = [{"name": "draft", "valueReference": {"reference": draft}}] if draft else []
    return [*found, {"name": "task", "valueReference": {"reference": task_reference}}]


def check_parameter(check: Check) -> Json:
    """A check as SURFACE shows it."""
    part: list[Json] = [
        {"name": "name", "valueCode": check.name},
        {"name": "result", "valueCode": check.result},
        {"name": "text", "valueString": check.text},
    ]
    part += [{"name": "citation", "valueReference": {"reference": c}} for c in check.citations]
    return {"name": "check", "part": part}

"""hand_off: a red flag, or the wish for a person, becomes a Task for the care team; the advice comes first.

https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from typing import Any

from ai_layer.answers import Answer
from ai_layer.guard import Escalation
from ai_layer.recorded import as_system
from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.store.write import instant

PRIORITY = {"emergency": "stat", "self_harm": "stat", "danger": "stat", "person": "routine"}
SAYS = {
    "emergency": "The patient wrote of what may be an emergency, and was told to call the emergency number.",
    "self_harm": "The patient wrote of self-harm, and was given the crisis line.",
    "danger": "A new result is critical, and no Task stood for it. The patient was told to call the care team.",
    "person": "The patient wants to talk to a person.",
}


def hand_off(context: Context, patient_id: str, escalation: Escalation, focus: str = "") -> Answer:
    """Write the Task, and answer with the advice alone."""
    task: dict[str, Any] = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": PRIORITY[escalation.kind],
        "code": {"text": "Contact the patient"},
        "description": SAYS[escalation.kind],
        "for": {"reference": f"Patient/{patient_id}"},
        "authoredOn": instant(context.now()),
    }
    if focus:
        task["focus"] = {"reference": focus}
    made = create(as_system(context), "Task", task)
    return Answer(
        "escalated",
        text=escalation.advice,
        advice=escalation.advice,
        reason=escalation.kind,
        task=f"Task/{made.id}",
    )

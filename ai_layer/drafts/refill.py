"""$draft-refill: a proposal to renew an order, with its checks, waiting for a clinician.

The draft copies the order's own elements and states nothing that the order does not. https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import Check, Refill, blocking, reference, refill_checks
from ai_layer.drafts.lane import draft_kept
from ai_layer.permission import refusal
from ai_layer.recorded import as_system
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store.write import instant
from terminology import safety

Json = dict[str, Any]
COPIED = (
    "medicationCodeableConcept",
    "medicationReference",
    "subject",
    "category",
    "reasonCode",
    "reasonReference",
    "dosageInstruction",
)
SUPPLY = ("quantity", "expectedSupplyDuration", "numberOfRepeatsAllowed")
NOTE_LETTERS = 2000


def draft_refill(context: Context, request: OperationRequest) -> Result:
    """The draft and its Task, or where a check blocks, the Task alone. CONFLICT where the order has an open draft already."""
    note = str(request.value("note", "") or "")
    if len(note) > NOTE_LETTERS:
        raise FhirError(Problem.TOO_LARGE, f"note: at most {NOTE_LETTERS} letters.")
    with context.transaction() as inside:
        assert inside.connection is not None
        order = chart.locked(inside.connection, context.access, "MedicationRequest", request.id)
        patient_id = _patient_id(context, order)
        if refused := refusal(inside, patient_id, AiSettings.of(context.service.settings)):
            raise FhirError(Problem.FORBIDDEN, f"{refused.text} {refused.reason}")
        checks = checked(inside, order, patient_id)
        _refuse_second(inside, order, patient_id)
        draft = None if blocking(checks) else proposal(inside, order)
        return draft_kept(
            inside, "draft-refill", draft, "refill", patient_id, checks, note=note, basis=reference(order)
        )


def checked(context: Context, order: Json, patient_id: str) -> list[Check]:
    """The order's checks on the record as it is now; what the server may see decides, not what the patient may."""
    assert context.connection is not None
    system = as_system(context)
    bare = Refill(order, patient_id, context.now())
    codes = [code for rule in safety.monitoring(bare.ingredients) for code in rule.codes]
    record = chart.record(context.connection, system.access, patient_id, chart.REFILL_TYPES, codes)
    return refill_checks(Refill(order, patient_id, context.now(), record))


def _patient_id(context: Context, order: Json) -> str:
    kind, _, logical_id = order.get("subject", {}).get("reference", "").partition("/")
    if kind != "Patient":
        raise FhirError(
            Problem.NOT_PROCESSABLE,
            "The order is for no Patient of this server.",
            "MedicationRequest.subject",
        )
    own = context.access.actor.patient
    return str(own or logical_id.partition("/")[0])


def proposal(context: Context, order: Json) -> Json:
    """The draft itself."""
    found: Json = {"resourceType": "MedicationRequest", "status": "draft", "intent": "proposal"}
    found |= {name: order[name] for name in COPIED if name in order}
    supply = {
        name: order["dispenseRequest"][name] for name in SUPPLY if name in order.get("dispenseRequest", {})
    }
    if supply:
        found["dispenseRequest"] = supply
    return found | {
        "authoredOn": instant(context.now()),
        "priorPrescription": {"reference": f"MedicationRequest/{order['id']}"},
    }


def _refuse_second(context: Context, order: Json, patient_id: str) -> None:
    """The order's row is locked, so of two requests at once one sees the other's draft."""
    assert context.connection is not None
    orders = chart.record(
        context.connection, as_system(context).access, patient_id, ("MedicationRequest",)
    ).get("MedicationRequest", [])
    prior = f"MedicationRequest/{order['id']}"
    for other in orders:
        if (
            other["status"] == "draft"
            and other.get("intent") == "proposal"
            and other.get("priorPrescription", {}).get("reference") == prior
        ):
            raise FhirError(
                Problem.CONFLICT,
                f"MedicationRequest/{other['id']} is a draft for this order already, and waits for sign-off.",
            )

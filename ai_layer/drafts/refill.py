"""$draft-refill: a proposal to renew an order, with its checks, waiting for a clinician.

The draft copies the order's own elements and states nothing that the order does not. https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import REFILL_CHECKS, Check, RecordView, blocking, refill_checks
from ai_layer.drafts.checks.medicine import medicine_of
from ai_layer.drafts.checks.pregnancy import BIRTH_CODES, STATUS_CODES
from ai_layer.drafts.checks.reading import part, plain, target
from ai_layer.drafts.lane import Asked, keep, make_device
from ai_layer.drafts.told import parameter, recorded_refusals, referring, shown, text_of
from ai_layer.permission import WITHHELD, permission, refused
from ai_layer.recorded import as_system
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.reference import references
from fhir_server.store.write import instant

Json = dict[str, Any]
COPIED = (
    "medicationCodeableConcept",
    "medicationReference",
    "subject",
    "category",
    "courseOfTherapyType",
    "reasonCode",
    "reasonReference",
    "insurance",
    "dosageInstruction",
    "substitution",
)
"""What says what is taken, by whom, how and why."""
SUPPLY = (
    "dispenseInterval",
    "numberOfRepeatsAllowed",
    "quantity",
    "expectedSupplyDuration",
    "performer",
)
"""Of dispenseRequest. The validity of the old order and its first fill do not hold for the new one."""
NOTE_LETTERS = 2000


@recorded_refusals("draft-refill")
def draft_refill(context: Context, request: OperationRequest) -> Result:
    """The draft and its Task, or where a check blocks, the Task alone. CONFLICT where the order has an open draft already."""
    words = text_of(request, "note", NOTE_LETTERS)
    make_device(context)
    with context.transaction() as inside:
        assert inside.connection is not None
        order = chart.locked(inside.connection, context.access, "MedicationRequest", request.id)
        patient_id = owner(context, order)
        view = permitted_view(inside, order, patient_id)
        _refuse_second(view)
        checks = refill_checks(view)
        draft = None if blocking(checks) else proposal(inside, order)
        asked = Asked("draft-refill", "refill", patient_id, words, order)
        kept = keep(inside, asked, draft, checks, sources(view))
        told = shown(inside, checks, REFILL_CHECKS)
        return parameters_result([*referring(draft=kept.draft, task=kept.task), *map(parameter, told)])


def owner(context: Context, order: Json) -> str:
    """The logical id of the order's patient; the patient in context may be no other."""
    kind, _, logical_id = target(order.get("subject")).partition("/")
    if kind != "Patient":
        text = "The order is for no Patient of this server."
        raise FhirError(Problem.NOT_PROCESSABLE, text, "MedicationRequest.subject")
    if context.access.actor.patient not in (None, "", logical_id):
        raise FhirError(Problem.FORBIDDEN, "The order is not of the patient in context.")
    return logical_id


def permitted_view(context: Context, order: Json, patient_id: str) -> RecordView:
    """The record as far as its Consents let the assistant use it. Raises FORBIDDEN where they do not, or not this order."""
    found = permission(context, patient_id, AiSettings.of(context.service.settings))
    if no := refused(found):
        raise FhirError(Problem.FORBIDDEN, f"{no.text} {no.reason}")

    def allows(resource: Json) -> bool:
        return not found.decision.narrowed or found.allows(json.encode(resource))

    if not allows(order):
        raise FhirError(Problem.FORBIDDEN, f"{WITHHELD} {found.decision.reason}")
    return view_of(context, order, patient_id, allows)


def view_of(
    context: Context, order: Json, patient_id: str, allows: chart.Keep = lambda _: True
) -> RecordView:
    """The snapshot for the order's checks. What the server sees decides, not what the caller's token reaches."""
    assert context.connection is not None
    access = as_system(context).access
    products = chart.medications(context.connection, access, [order])
    codes = [*chart.followed_codes(medicine_of(order, products).ingredients), *STATUS_CODES, *BIRTH_CODES]
    return chart.record_view(context, access, order, patient_id, codes, allows)


def sources(view: RecordView) -> list[Json]:
    """Every resource of the snapshot that a check can cite."""
    parts = (view.orders, view.statements, view.dispenses, view.allergies, view.conditions)
    return [view.order, *(each for one in (*parts, view.observations, view.encounters) for each in one)]


def proposal(context: Context, order: Json) -> Json:
    """The draft itself."""
    found: Json = {"resourceType": "MedicationRequest", "status": "draft", "intent": "proposal"}
    if labels := part(order, "meta").get("security"):
        found["meta"] = {"security": labels}
    found |= {name: order[name] for name in COPIED if name in order}
    asked = part(order, "dispenseRequest")
    if supply := {name: asked[name] for name in SUPPLY if name in asked}:
        found["dispenseRequest"] = supply
    return (found | _contained(order, found)) | {
        "authoredOn": instant(context.now()),
        "priorPrescription": {"reference": plain(order)},
    }


def _contained(order: Json, copied: Json) -> Json:
    """What the copied elements refer to inside the order, and what that refers to."""
    inner = {f"#{each.get('id')}": each for each in order.get("contained", ())}
    wanted: dict[str, Json] = {}
    waiting = references(copied)
    while waiting:
        name = waiting.pop()
        if name in inner and name not in wanted:
            wanted[name] = inner[name]
            waiting += references(inner[name])
    return {"contained": list(wanted.values())} if wanted else {}


def _refuse_second(view: RecordView) -> None:
    """The order's row is locked, so of two requests at once one sees the other's draft."""
    for other in view.orders:
        is_open = other.get("status") == "draft" and other.get("intent") == "proposal"
        if is_open and target(other.get("priorPrescription")) == plain(view.order):
            text = f"{plain(other)} is a draft for this order already, and waits for sign-off."
            raise FhirError(Problem.CONFLICT, text)


def checked(context: Context, order: Json, patient_id: str) -> list[Check]:
    """The order's checks on the record as it is now."""
    return refill_checks(view_of(context, order, patient_id))

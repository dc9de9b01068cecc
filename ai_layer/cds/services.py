"""The services: `patient-view` looks at the active orders of a record, `order-select` at the orders that a clinician is about to make.

What a client sends of the record (prefetch) is not used: the store decides, and the Consents. https://cds-hooks.hl7.org/2.0/#hooks
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ai_layer import record
from ai_layer.cds.cards import card, telling
from ai_layer.drafts.checks import REFILL_CHECKS, Check, RecordView, refill_checks
from ai_layer.drafts.refill import view_of
from ai_layer.drafts.told import shown
from ai_layer.permission import permission, refused
from ai_layer.settings import AiSettings
from fhir_server.access.actor import Role
from fhir_server.interactions.context import Context
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.validate import validate
from terminology.coding import best_text

Json = dict[str, Any]
MOST_ORDERS = 20
_ID = re.compile(r"(Patient/)?(?P<id>[A-Za-z0-9\-.]{1,64})\Z")


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the discovery document; `orders` reads what it looks at out of the hook's context."""

    id: str
    hook: str
    title: str
    description: str
    orders: Callable[[Json], list[Json] | None]

    def described(self) -> Json:
        """As discovery shows it. No prefetch is asked for."""
        return {"id": self.id, "hook": self.hook, "title": self.title, "description": self.description}


def patient_of(context: Json) -> str:
    """context.patientId. Raises BAD_REQUEST."""
    found = _ID.match(str(context.get("patientId", "")))
    if found is None:
        raise FhirError(Problem.BAD_REQUEST, "context.patientId: expected a logical id.", "context.patientId")
    return found["id"]


def cards(context: Context, service: Service, asked: Json) -> list[Json]:
    """The cards for this hook's context. Raises FORBIDDEN, NOT_FOUND, BAD_REQUEST."""
    if context.access.actor.role not in (Role.CLINICIAN, Role.SYSTEM):
        raise FhirError(Problem.FORBIDDEN, "CDS services answer clinicians and their systems.")
    patient_id, drafts = patient_of(asked), service.orders(asked)
    with context.transaction() as inside:
        assert inside.connection is not None
        record.patient(inside.connection, inside.access, patient_id, inside.now())
        found = permission(inside, patient_id, AiSettings.of(inside.service.settings))
        if no := refused(found):
            raise FhirError(Problem.FORBIDDEN, f"{no.text} {no.reason}")

        def look(order: Json) -> RecordView:
            return view_of(inside, order, patient_id, lambda each: found.allows(json.encode(each)))

        looked = (
            [_draft(order, n, patient_id) for n, order in enumerate(drafts)] if drafts is not None else None
        )
        orders = _active(look(_nothing(patient_id))) if looked is None else looked
        told: dict[tuple[str, str], Json] = {}
        for order in orders[:MOST_ORDERS]:
            name = best_text(order.get("medicationCodeableConcept") or {})
            for check in telling(shown(inside, _checks(look(order), order), REFILL_CHECKS)):
                told.setdefault((check.name, check.text), card(check, name, inside.service.new_id()))
        return list(told.values())


def _checks(view: RecordView, order: Json) -> list[Check]:
    """What a draft itself would be cited for is no evidence."""
    own = f"MedicationRequest/{order['id']}/" if order.get("status") == "draft" else ""
    return [
        replace(check, citations=tuple(c for c in check.citations if not own or not c.startswith(own)))
        for check in refill_checks(view)
    ]


def _active(view: RecordView) -> list[Json]:
    return [o for o in view.orders if o.get("status") == "active" and o.get("intent") == "order"]


def _nothing(patient_id: str) -> Json:
    """An order of nothing, to read the record by."""
    return _draft({"medicationCodeableConcept": {"text": ""}}, 0, patient_id)


def _draft(order: Json, number: int, patient_id: str) -> Json:
    return {
        **order,
        "resourceType": "MedicationRequest",
        "id": f"selected-{number}",
        "meta": {"versionId": "1"},
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def _selected(asked: Json) -> list[Json]:
    """The selected MedicationRequests of context.draftOrders. Raises BAD_REQUEST."""
    bundle, selections = asked.get("draftOrders"), asked.get("selections")
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise FhirError(Problem.BAD_REQUEST, "context.draftOrders: expected a Bundle.", "context.draftOrders")
    if not isinstance(selections, list) or not all(isinstance(each, str) for each in selections):
        raise FhirError(Problem.BAD_REQUEST, "context.selections: expected references.", "context.selections")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise FhirError(
            Problem.BAD_REQUEST, "context.draftOrders: the entries are no list.", "context.draftOrders"
        )
    found = [e.get("resource") for e in entries]
    orders = [o for o in found if isinstance(o, dict) and o.get("resourceType") == "MedicationRequest"]
    wanted = {each.rpartition("MedicationRequest/")[2] for each in selections}
    chosen = [order for order in orders if order.get("id") in wanted]
    for order in chosen:
        _refuse_wrong(order, asked)
    return chosen


def _refuse_wrong(order: Json, asked: Json) -> None:
    errors = [issue for issue in validate(order) if issue.severity in ("error", "fatal")]
    if errors:
        raise FhirError(
            Problem.BAD_REQUEST, f"context.draftOrders: {errors[0].diagnostics}", "context.draftOrders"
        )
    subject = order.get("subject", {}).get("reference", "")
    if subject.removeprefix("Patient/") != patient_of(asked):
        raise FhirError(Problem.BAD_REQUEST, "A draft order is for another patient.", "context.draftOrders")


SERVICES: tuple[Service, ...] = (
    Service(
        "chartline-patient-view",
        "patient-view",
        "What the active medicines ask for",
        "Results to follow, interactions, allergies, duplicates and pregnancy, for each active order of the record.",
        lambda asked: None,
    ),
    Service(
        "chartline-order-select",
        "order-select",
        "Checks of the orders that were selected",
        "The same checks for MedicationRequests that are about to be ordered, against the whole record.",
        _selected,
    ),
)
BY_ID = {service.id: service for service in SERVICES}

"""The checks of a draft as they stand now, on the whole record: for the clinician who looks at it, and once more at the sign-off.

What the server sees decides; what somebody is told of it is for `told` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import Needs, RecordView, VisitView, Wanted, needs_of
from ai_layer.drafts.checks.reading import elements, plain, target
from ai_layer.drafts.diary import conditions_of_needs, offers_of, own_appointments, taken
from ai_layer.drafts.refill import view_of
from ai_layer.drafts.visits import Offer
from ai_layer.drafts.wanted import wanted_again
from ai_layer.recorded import as_system
from fhir_server.interactions.context import Context

Json = dict[str, Any]


MEDICINE = ("medicationCodeableConcept", "medicationReference", "contained")
"""What names the medicine of an order."""


def refill_view(context: Context, order: Json, patient: str, draft: Json | None = None) -> RecordView:
    """What the checks of a refill see; `patient` is `Patient/id`. The medicine is that of the draft: a clinician may have changed it."""
    if draft is not None:
        kept = {name: value for name, value in order.items() if name not in MEDICINE}
        order = kept | {name: draft[name] for name in MEDICINE if name in draft}
    return view_of(context, order, patient.partition("/")[2])


def visit_views(context: Context, task: Json, draft: Json) -> list[VisitView]:
    """What the checks see of each Slot of the draft; a draft without its Slots is as one whose Slot is gone."""
    system, own = as_system(context), plain(draft)
    wanted, offers = wanted_again(task), offers_of(system, draft)
    if len(offers) != len(list(elements(draft, "slot"))) or not offers:
        return [VisitView(context.now(), wanted)]
    patient_id = target(task.get("for")).partition("/")[2]
    mine = own_appointments(system, patient_id, (own, wanted.replaces))
    others = [each for each in taken(system, offers) if plain(each) not in (own, wanted.replaces)]
    needs = needed(context, patient_id)
    return [seen(context.now(), wanted, offer, mine, others, needs) for offer in offers]


def needed(context: Context, patient_id: str, allows: chart.Keep = lambda _: True) -> Needs:
    """What the record says that the patient needs, as far as `allows` lets it be used."""
    assert context.connection is not None
    system = as_system(context)
    patients = chart.named(context.connection, system.access, "Patient", [patient_id])
    conditions = conditions_of_needs(system, patient_id)
    used = [each for each in (*patients, *conditions) if allows(each)]
    patient = next((each for each in used if each["resourceType"] == "Patient"), None)
    said = [each for each in used if each["resourceType"] == "Condition"]
    return needs_of(patient, said, len(used) < len(patients) + len(conditions))


def seen(
    now: datetime,
    wanted: Wanted,
    offer: Offer,
    own: Sequence[Json],
    others: Sequence[Json],
    needs: Needs,
) -> VisitView:
    """What the checks see of one Slot."""
    beside = tuple(each for each in others if offer.concerns(each))
    return VisitView(now, wanted, offer.slot, offer.schedule, tuple(own), beside, needs, offer.place)

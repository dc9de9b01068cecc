"""The checks of a draft as they stand now, on the whole record: for the clinician who looks at it, and once more at the sign-off.

What the server sees decides; what somebody is told of it is for `told` to say.
"""

from __future__ import annotations

from typing import Any

from ai_layer.drafts.checks import RecordView, VisitView
from ai_layer.drafts.checks.reading import elements, plain, target
from ai_layer.drafts.diary import offers_of, own_appointments, taken
from ai_layer.drafts.refill import view_of
from ai_layer.drafts.visits import Offer
from ai_layer.drafts.wanted import wanted_again
from ai_layer.recorded import as_system
from fhir_server.interactions.context import Context

Json = dict[str, Any]


def refill_view(context: Context, order: Json, patient: str) -> RecordView:
    """What the checks of a refill see; `patient` is `Patient/id`."""
    return view_of(context, order, patient.partition("/")[2])


def visit_views(context: Context, task: Json, draft: Json) -> list[VisitView]:
    """What the checks see of each Slot of the draft; a draft without its Slots is as one whose Slot is gone."""
    system, own = as_system(context), plain(draft)
    offers = offers_of(system, draft)
    if len(offers) != len(list(elements(draft, "slot"))) or not offers:
        return [VisitView(context.now(), wanted_again(task))]
    patient_id = target(task.get("for")).partition("/")[2]
    mine = [each for each in own_appointments(system, patient_id) if plain(each) != own]
    others = [each for each in taken(system, offers) if plain(each) != own]
    return [_view(context, task, offer, mine, others) for offer in offers]


def _view(context: Context, task: Json, offer: Offer, mine: list[Json], others: list[Json]) -> VisitView:
    beside = tuple(each for each in others if offer.concerns(each))
    return VisitView(context.now(), wanted_again(task), offer.slot, offer.schedule, tuple(mine), beside)

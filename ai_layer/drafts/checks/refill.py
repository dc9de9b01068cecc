"""The checks of a refill, by name, in the order in which SURFACE lists them; each with the types of resource that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ai_layer.drafts.checks.allergy import allergy
from ai_layer.drafts.checks.finding import Check, Finding, gravest, unknown
from ai_layer.drafts.checks.last_visit import last_visit
from ai_layer.drafts.checks.monitoring import monitoring
from ai_layer.drafts.checks.order import active_order, own_order, repeats, validity
from ai_layer.drafts.checks.pregnancy import pregnancy
from ai_layer.drafts.checks.record import RecordView
from ai_layer.drafts.checks.substance import controlled
from ai_layer.drafts.checks.supply import too_early
from ai_layer.drafts.checks.together import duplicate, interaction

ORDER = "MedicationRequest"
TAKEN = (ORDER, "MedicationStatement", "MedicationDispense")
WITHHELD = "This could not be checked in full: part of the record is withheld by a Consent."


@dataclass(frozen=True, slots=True)
class RefillCheck:
    """`reads`: what somebody has to be allowed to read before he is told the result."""

    look: Callable[[RecordView], Finding]
    reads: tuple[str, ...] = (ORDER,)


REFILL_CHECKS: dict[str, RefillCheck] = {
    "own-order": RefillCheck(own_order),
    "active-order": RefillCheck(active_order),
    "repeats": RefillCheck(repeats, (ORDER, "MedicationDispense")),
    "validity": RefillCheck(validity),
    "too-early": RefillCheck(too_early, (ORDER, "MedicationDispense")),
    "controlled": RefillCheck(controlled),
    "allergy": RefillCheck(allergy, (ORDER, "AllergyIntolerance")),
    "interaction": RefillCheck(interaction, TAKEN),
    "duplicate": RefillCheck(duplicate, TAKEN),
    "pregnancy": RefillCheck(pregnancy, (ORDER, "Patient", "Condition", "Observation")),
    "monitoring": RefillCheck(monitoring, (ORDER, "Observation")),
    "last-visit": RefillCheck(last_visit, (ORDER, "Encounter")),
}


def refill_checks(view: RecordView) -> list[Check]:
    """All of them, always in the same order."""
    return [_checked(name, check, view) for name, check in REFILL_CHECKS.items()]


def _checked(name: str, check: RefillCheck, view: RecordView) -> Check:
    found = check.look(view)
    if view.withheld & set(check.reads):
        found = gravest([found, unknown(WITHHELD, view.order)])
    return Check(name, found.result, found.text, found.citations)

"""Checks `interaction` and `duplicate`: what else the patient takes.

Severe pairs stand in terminology (data/safety/interactions.json). A pair is told, not blocked: both medicines have been ordered by
somebody, and to stop one of them is a clinician's decision.
"""

from __future__ import annotations

from ai_layer.drafts.checks.finding import Finding, gravest, passes, unknown, warns
from ai_layer.drafts.checks.medicine import Medicine, medicine_of
from ai_layer.drafts.checks.reading import Json
from ai_layer.drafts.checks.record import RecordView
from ai_layer.drafts.checks.supply import in_hand
from terminology import safety

ONE_OF_A_KIND = frozenset(
    [
        "5-alpha-reductase-inhibitor",
        "ace-inhibitor",
        "alpha-blocker",
        "androgen",
        "angiotensin-receptor-blocker",
        "anticoagulant",
        "barbiturate",
        "benzodiazepine",
        "beta-blocker",
        "bisphosphonate",
        "calcineurin-inhibitor",
        "calcium-channel-blocker",
        "dpp4-inhibitor",
        "fibrate",
        "gabapentinoid",
        "glp1-agonist",
        "h2-blocker",
        "loop-diuretic",
        "mao-inhibitor",
        "nsaid",
        "opioid",
        "pde5-inhibitor",
        "potassium-sparing-diuretic",
        "proton-pump-inhibitor",
        "purine-analogue",
        "sedative-hypnotic",
        "sglt2-inhibitor",
        "snri",
        "ssri",
        "statin",
        "sulfonylurea",
        "thiazide-diuretic",
        "tricyclic-antidepressant",
        "triptan",
        "uric-acid-lowering",
        "wakefulness-agent",
        "xanthine",
    ]
)
"""Classes of which a patient takes one. Others are given together on purpose: insulins, antiplatelets, antiretrovirals, diuretics of different kinds."""


def interaction(view: RecordView) -> Finding:
    """No severe interaction with another active medicine. What is in both is for `duplicate` to tell."""
    medicine = medicine_of(view.order, view.medications)
    others = _others(view, medicine)
    found = [
        warns(f"Together with {other.label}: {said}", view.order, each)
        for each, other in others
        if (said := safety.interaction(medicine.ingredients, other.ingredients - medicine.ingredients))
    ]
    unclear = _unclear(view, medicine, others)
    if found or unclear:
        return gravest([*found, *unclear])
    text = "No severe interaction with the other active medicines is known here."
    return passes(
        text if others else "The record holds no other active medicine.", view.order, *view_of(others)
    )


def duplicate(view: RecordView) -> Finding:
    """No other active medicine with the same ingredient, or of a kind of which one is enough."""
    medicine = medicine_of(view.order, view.medications)
    others = _others(view, medicine)
    found = [warns(said, view.order, each) for each, other in others if (said := _doubled(medicine, other))]
    unclear = _unclear(view, medicine, others)
    if found or unclear:
        return gravest([*found, *unclear])
    text = "No other active medicine is of the same kind."
    return passes(
        text if others else "The record holds no other active medicine.", view.order, *view_of(others)
    )


def _others(view: RecordView, medicine: Medicine) -> list[tuple[Json, Medicine]]:
    """What else the patient takes, by orders and statements; and what the patient has in hand of medicines that none of them names."""
    found = [(each, medicine_of(each, view.medications)) for each in view.taken_with()]
    for each in in_hand(view):
        handed = medicine_of(each, view.medications)
        if not any(handed.is_same_as(known) for known in (medicine, *(one for _, one in found))):
            found.append((each, handed))
    return found


def view_of(others: list[tuple[Json, Medicine]]) -> list[Json]:
    """The resources of the pairs."""
    return [each for each, _ in others]


def _doubled(medicine: Medicine, other: Medicine) -> str:
    if same := medicine.ingredients & other.ingredients:
        return f"{other.label} is active as well, and has the same ingredient ({', '.join(sorted(same))})."
    if medicine.codes & other.codes:
        return f"{other.label} is ordered twice."
    if alike := medicine.classes & other.classes & ONE_OF_A_KIND:
        return f"{other.label} is active as well, and of the same kind ({', '.join(sorted(alike))})."
    return ""


def _unclear(view: RecordView, medicine: Medicine, others: list[tuple[Json, Medicine]]) -> list[Finding]:
    """What cannot be compared. Without other medicines there is nothing to compare."""
    if others and not medicine.is_known:
        return [unknown("It is not known here what the medicine is made of.", view.order)]
    strange = [each for each, other in others if not other.is_known]
    return [unknown("Another active medicine is not known here.", *strange)] if strange else []

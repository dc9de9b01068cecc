"""Laws of the checks: they never fail, never pass on what is withheld, and a severe pair is found from both sides."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_layer.drafts.checks import REFILL_CHECKS, VisitView, Wanted, needs_of, refill_checks, visit_checks
from ai_layer.drafts.checks.finding import GRAVITY, Finding, Outcome, gravest
from ai_layer.drafts.checks.together import ONE_OF_A_KIND
from ai_layer.drafts.difference import diff
from terminology import lay, safety
from tests.unit.drafts.records import NOW, Json, merged, read, view

PLAIN = read("record.yaml")
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["2026-02-30", "2026", "order"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CODES = ["status", "intent", "whenHandedOver", "effectiveDateTime", "birthDate", "start", "end"]
PARTS = [
    "subject",
    "code",
    "medicationCodeableConcept",
    "medicationReference",
    "contained",
    "dispenseRequest",
    "priorPrescription",
    "authorizingPrescription",
    "daysSupply",
    "clinicalStatus",
    "verificationStatus",
    "reaction",
    "category",
    "valueQuantity",
    "period",
    "participant",
    "slot",
    "serviceType",
    "actor",
    "communication",
    "extension",
    "characteristic",
    "location",
]
ELEMENTS = st.builds(
    lambda codes, parts: codes | parts,
    st.dictionaries(
        st.sampled_from(CODES), st.text(max_size=8) | st.sampled_from(["active", "2026-02-30", "2026"])
    ),
    st.dictionaries(st.sampled_from(PARTS), ANYTHING, max_size=4),
)
"""Codes are texts, as validation sees to; whatever else stands in a record may be anything."""
NAMES = [*PLAIN["given"], "MedicationRequest/other", "Observation/o", "Condition/c", "Medication/m"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ELEMENTS, max_size=3))
def test_no_record_makes_a_check_fail(strange: dict[str, Json]) -> None:
    base = merged(
        PLAIN["given"], {"MedicationRequest/order": {"medicationCodeableConcept": {"text": "warfarin"}}}
    )
    checks = refill_checks(
        view({**base, **{name: {**base.get(name, {}), **each} for name, each in strange.items()}})
    )
    assert [check.name for check in checks] == list(REFILL_CHECKS)


@settings(max_examples=200, deadline=None)
@given(ELEMENTS, ELEMENTS, ELEMENTS)
def test_no_slot_makes_a_check_fail(slot: Json, schedule: Json, appointment: Json) -> None:
    def typed(kind: str, elements: Json) -> Json:
        return {"resourceType": kind, "id": "x", **elements}

    held = typed("Appointment", appointment)
    needs, place = (
        needs_of(typed("Patient", slot), [typed("Condition", appointment)]),
        typed("Practitioner", schedule),
    )
    found = VisitView(
        NOW, Wanted(NOW), typed("Slot", slot), typed("Schedule", schedule), (held,), (held,), needs, (place,)
    )
    assert len(visit_checks(found)) == 5


@given(st.lists(st.sampled_from(GRAVITY), min_size=1))
def test_of_several_findings_the_gravest_counts(results: list[Outcome]) -> None:
    found = gravest([Finding(result, f"{result}.") for result in results])
    assert found.result == max(results, key=GRAVITY.index)
    assert found.text.startswith(f"{found.result}.")


@pytest.mark.parametrize(
    "kind", ["MedicationDispense", "AllergyIntolerance", "Observation", "Encounter", "Condition"]
)
def test_a_check_that_reads_what_is_withheld_cannot_pass(kind: str) -> None:
    order = {"MedicationRequest/order": {"medicationCodeableConcept": {"text": "amlodipine"}}}
    checks = refill_checks(view(merged(PLAIN["given"], order), frozenset([kind])))
    for check in checks:
        assert (check.result != "pass") == (kind in REFILL_CHECKS[check.name].reads)


def _pairs() -> list[Any]:
    text = resources.files("terminology").joinpath("data/safety/interactions.json").read_text()
    return [(row["first"], row["second"]) for row in json.loads(text)["pairs"]]


def _example(named: str, other: str, taken: str = "") -> str:
    """An ingredient of this class that is not taken yet; where it can be, not of the other one."""
    members = [
        entry.drug.ingredient
        for entry in lay.entries()
        if entry.drug and named in safety.named([entry.drug.ingredient]) and entry.drug.ingredient != taken
    ]
    apart = [each for each in members if other not in safety.named([each])]
    return (apart or members)[0]


@pytest.mark.parametrize(("first", "second"), _pairs())
def test_a_severe_pair_is_found_from_both_sides(first: str, second: str) -> None:
    one = _example(first, second)
    other = _example(second, first, one)
    for ordered, taken in ((one, other), (other, one)):
        given_both = merged(
            PLAIN["given"],
            {
                "MedicationRequest/order": {"medicationCodeableConcept": {"text": ordered}},
                "MedicationRequest/taken": {
                    "status": "active",
                    "intent": "order",
                    "medicationCodeableConcept": {"text": taken},
                },
            },
        )
        found = {check.name: check for check in refill_checks(view(given_both))}
        assert found["interaction"].result == "warn"
        assert "MedicationRequest/taken/_history/1" in found["interaction"].citations


def test_the_classes_of_which_one_is_enough_are_classes_that_we_know() -> None:
    known = {name for entry in lay.entries() if entry.drug for name in entry.drug.classes}
    assert known >= ONE_OF_A_KIND


ORDER = {
    "resourceType": "MedicationRequest",
    "id": "o",
    "status": "active",
    "intent": "order",
    "dosageInstruction": [{"text": "one a day"}],
    "dispenseRequest": {"validityPeriod": {"end": "2026-01-01"}, "numberOfRepeatsAllowed": 3},
}


def test_a_difference_names_the_element_and_both_values() -> None:
    draft = {
        **ORDER,
        "id": "d",
        "status": "draft",
        "intent": "proposal",
        "dosageInstruction": [{"text": "two a day"}],
        "dispenseRequest": {"numberOfRepeatsAllowed": 3},
    }
    assert [(each.path, each.before, each.after) for each in diff(ORDER, draft)] == [
        ("dispenseRequest.validityPeriod", {"end": "2026-01-01"}, None),
        ("dosageInstruction[0].text", "one a day", "two a day"),
    ]


def test_an_order_does_not_differ_from_itself() -> None:
    assert diff(ORDER, {**ORDER, "id": "x", "meta": {"versionId": "7"}, "status": "stopped"}) == []

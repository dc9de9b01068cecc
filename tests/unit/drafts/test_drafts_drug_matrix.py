"""Drug x state of the record (fixtures/cases/drafts/drugs.yaml): what each of the twelve checks says."""

from __future__ import annotations

from typing import Any

import pytest

from ai_layer.drafts.checks import refill_checks
from tests.unit.drafts.records import merged, read, view

Json = dict[str, Any]
PLAIN, MATRIX = read("record.yaml"), read("drugs.yaml")


def scenarios() -> list[Any]:
    return [
        pytest.param(drug, state, id=f"{drug['name']} {state['it']}")
        for drug in MATRIX["drugs"]
        for state in MATRIX["states"]
        if state.get("needs", "name") in drug
    ]


@pytest.mark.parametrize(("drug", "state"), scenarios())
def test_drug_and_state(drug: Json, state: Json) -> None:
    order = {"MedicationRequest/order": {"medicationCodeableConcept": {"text": drug["name"]}}}
    given = merged(PLAIN["given"], order, results(drug, state), filled(state.get("given", {}), drug))
    found = {check.name: str(check.result) for check in refill_checks(view(given))}
    assert found == wanted(drug, state)


def test_there_are_enough_scenarios() -> None:
    assert len(scenarios()) >= 400


def wanted(drug: Json, state: Json) -> Json:
    """What the state says; results matter only to drugs that call for some."""
    said = filled(state["expect"], drug)
    if not drug["results"]:
        said.pop("monitoring", None)
    return {**PLAIN["expect"], **drug.get("expect", {}), **said}


def results(drug: Json, state: Json) -> dict[str, Json]:
    """The drug's results, as old as the state says."""
    moment = state.get("results", "30 days ago")
    return {
        f"Observation/{name}": {**MATRIX["results"][name], "effectiveDateTime": moment}
        for name in drug["results"]
        if moment
    }


def filled(value: Any, drug: Json) -> Any:
    """`$name` and the like stand for what the drug's row has."""
    if isinstance(value, dict):
        return {key: filled(each, drug) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, drug) for each in value]
    return drug[value[1:]] if isinstance(value, str) and value.startswith("$") else value

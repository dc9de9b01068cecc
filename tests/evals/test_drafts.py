"""Refill drafts on a store: every drug in every state of the record is asked for, and each check says what was expected, of what was expected.

Scenarios: fixtures/cases/evals/drafts.yaml. Nothing acts without a sign-off. https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from fhir_server.interactions.bundle import process
from fhir_server.r4 import json
from tests.conftest import new_database
from tests.evals.drafting import Expected, Scenario, scenarios
from tests.evals.figures import Figures
from tests.unit.drafts.clinic import Answer, Clinic, clinic_on

Json = dict[str, Any]
FEWEST = 1000
AT_ONCE = 40
"""Scenarios in a transaction."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A scenario, what the operation answered, and the Task that came of it."""

    scenario: Scenario
    answer: Answer
    task: Json

    def found(self) -> Expected:
        """What the checks said, as the scenario would say it."""
        return {name: (result, cited) for name, result, cited in map(self._read, self.answer.all("check"))}

    def _read(self, check: Json) -> tuple[str, str, frozenset[str]]:
        parts = {each["name"]: each for each in check["part"]}
        cited = (each["valueReference"]["reference"] for each in check["part"] if each["name"] == "citation")
        plain = (each.removesuffix("/_history/1").replace(f"/{self.scenario.key}-", "/") for each in cited)
        return parts["name"]["valueCode"], parts["result"]["valueCode"], frozenset(plain)


@pytest.fixture(scope="module")
def clinic(postgres: str, template: str) -> Iterator[Clinic]:
    """Every scenario's record in one store."""
    with new_database(postgres, template) as name, clinic_on(make_conninfo(postgres, dbname=name)) as found:
        every = scenarios()
        for start in range(0, len(every), AT_ONCE):
            process(found.system, _bundle(every[start : start + AT_ONCE]))
        yield found


def _bundle(some: list[Scenario]) -> bytes:
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
        for scenario in some
        for each in scenario.resources()
    ]
    return json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


@pytest.fixture(scope="module")
def drafted(clinic: Clinic) -> list[Drafted]:
    """Each scenario, asked for by its patient."""
    found = []
    for scenario in scenarios():
        answer = clinic.call(clinic.patient(f"{scenario.key}-p"), "draft-refill", scenario.order)
        found.append(Drafted(scenario, answer, clinic.get(answer.reference("task"))))
    return found


def test_each_check_says_what_was_expected_and_cites_what_it_rests_on(
    drafted: list[Drafted], figures: Figures
) -> None:
    assert len(drafted) >= FEWEST
    pairs = [
        (each.scenario, name, each.found()[name], wanted)
        for each in drafted
        for name, wanted in each.scenario.expected().items()
    ]
    wrong = [(s.name, name, found, wanted) for s, name, found, wanted in pairs if found != wanted]
    assert wrong == []
    figures.reach("drafts: checks with the expected result", _share(pairs, 0), len(pairs))
    figures.reach("drafts: checks with the expected citations", _share(pairs, 1), len(pairs))


def _share(pairs: list[tuple[Scenario, str, Any, Any]], part: int) -> float:
    return len([one for one in pairs if one[2][part] == one[3][part]]) / len(pairs)


def test_what_blocks_makes_no_draft_but_a_task_with_the_reason(
    drafted: list[Drafted], clinic: Clinic, figures: Figures
) -> None:
    blocked = [(each, names) for each in drafted if (names := _blocking(each.scenario))]
    made = [each.scenario.name for each, _ in blocked if each.answer.reference("draft")]
    figures.stay_under("drafts: made although a check blocks", len(made), len(blocked))
    for each, names in blocked:
        assert "focus" not in each.task
        assert each.task["status"] == "requested"
        assert all(name in each.task["description"] for name in names)
    assert len(blocked) < len(drafted)


def _blocking(scenario: Scenario) -> list[str]:
    return [name for name, (result, _) in scenario.expected().items() if result == "block"]


def test_what_does_not_block_makes_a_draft_that_waits(drafted: list[Drafted], clinic: Clinic) -> None:
    for each in drafted:
        if not _blocking(each.scenario):
            draft = clinic.get(each.answer.reference("draft"))
            assert (draft["status"], draft["intent"]) == ("draft", "proposal")
            assert draft["priorPrescription"] == {"reference": each.scenario.order}
            assert each.task["focus"] == {"reference": each.answer.reference("draft")}


def test_the_clinician_s_task_holds_every_check_that_the_patient_is_told(drafted: list[Drafted]) -> None:
    for each in drafted:
        held = {one["type"]["coding"][0]["code"]: one["type"]["text"] for one in each.task["input"]}
        assert held == each.answer.checks


def test_no_order_is_in_force_that_was_not_there_before(
    drafted: list[Drafted], clinic: Clinic, figures: Figures
) -> None:
    given = {f"{one['resourceType']}/{one['id']}" for each in drafted for one in each.scenario.resources()}
    acting = [
        one
        for each in drafted
        for one in clinic.found(
            "MedicationRequest", patient=f"Patient/{each.scenario.key}-p", status="active,on-hold"
        )
        if f"{one['resourceType']}/{one['id']}" not in given
    ]
    figures.stay_under("drafts: acted on without a sign-off", len(acting), len(drafted))

"""The scenarios of drafts, fixtures/cases/evals/drafts.yaml: drug x state of the record, as resources and as what is expected of each check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.unit.drafts.records import merged, read, resource

Json = dict[str, Any]
PLAIN, TABLE = read("record.yaml"), read("../evals/drafts.yaml")
REQUIRED: dict[str, Json] = {
    "Encounter": {"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
    "AllergyIntolerance": {
        "clinicalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                    "code": "active",
                }
            ]
        }
    },
}
"""What R4 wants besides, and no check asks for."""
Expected = dict[str, tuple[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One drug in one state; `key` goes before the id of each of its resources."""

    key: str
    drug: Json
    state: Json

    @property
    def name(self) -> str:
        """As a sentence."""
        return f"{self.drug['name']} {self.state['it']}"

    @property
    def order(self) -> str:
        """What is to be renewed."""
        return f"MedicationRequest/{self.key}-order"

    def resources(self) -> list[Json]:
        """The patient's whole record."""
        medicine = {"medicationCodeableConcept": {"text": self.drug["name"]}}
        given = merged(
            PLAIN["given"],
            {name: medicine for name in PLAIN["given"] if name.startswith("Medication")},
            self._results(),
            self._filled(self.state.get("given", {})),
        )
        return [self._own(resource(name, _whole(name, elements))) for name, elements in given.items()]

    def expected(self) -> Expected:
        """Name of the check -> its result, and the resources that it rests on."""
        results = {
            **PLAIN["expect"],
            **self.drug.get("expect", {}),
            **self._filled(self.state.get("expect", {})),
        }
        label = TABLE["cites_label"] if self.drug.get("label") else {}
        cites = {**TABLE["cites"], **label, **self.state.get("cites", {})}
        return {name: (results[name], frozenset(self._cited(cites[name]))) for name in PLAIN["expect"]}

    def _results(self) -> dict[str, Json]:
        """The drug's results, as old as the state says."""
        moment = self.state.get("results", "30 days ago")
        return {
            f"Observation/{name}": {**TABLE["results"][name], "effectiveDateTime": moment}
            for name in self.drug["results"]
            if moment
        }

    def _cited(self, wanted: Any) -> Iterator[str]:
        """`$results` stands for all of the drug's; without any, the order says so itself."""
        for name in self._filled(wanted):
            if name != "$results":
                yield name
            elif self.drug["results"]:
                yield from (f"Observation/{each}" for each in self.drug["results"])
            else:
                yield "MedicationRequest/order"

    def _filled(self, value: Any) -> Any:
        """`$name` and the like stand for what the drug's row has; `$also` is `pass` where it says nothing."""
        if isinstance(value, Mapping):
            return {key: self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if not isinstance(value, str) or not value.startswith("$") or value == "$results":
            return value
        return self.drug.get("also", "pass") if value == "$also" else self.drug[value[1:]]

    def _own(self, value: Any) -> Any:
        """The same with this scenario's ids, also in references."""
        if isinstance(value, list):
            return [self._own(each) for each in value]
        if not isinstance(value, dict):
            return value
        found = {name: self._own(each) for name, each in value.items() if name != "meta"}
        if {"value", "code"} <= found.keys():
            found.setdefault("system", "http://unitsofmeasure.org")
        if "resourceType" in found:
            found["id"] = f"{self.key}-{found['id']}"
        if "reference" in found:
            kind, _, logical_id = found["reference"].partition("/")
            found["reference"] = f"{kind}/{self.key}-{logical_id}"
        return found


def scenarios() -> list[Scenario]:
    """All of them."""
    pairs = (
        (drug, state)
        for drug in TABLE["drugs"]
        for state in TABLE["states"]
        if drug.get(state.get("needs", "name"))
    )
    return [Scenario(f"s{number}", drug, state) for number, (drug, state) in enumerate(pairs)]


def _whole(name: str, elements: Json) -> Json:
    return {**REQUIRED.get(name.partition("/")[0], {}), **elements}

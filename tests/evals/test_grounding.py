"""Grounding: wrong claims about a few results are all rejected, right paraphrases stand, and so does every sentence that the rules write.

fixtures/cases/evals/grounding.yaml: claims of our own making.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import yaml

from ai_layer import guard
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence, evidence_from
from ai_layer.explain import Person, explain
from ai_layer.ground import is_grounded
from ai_layer.passages import KINDS, concept_of
from ai_layer.question import understand
from fhir_server.access.purpose import Purpose
from fhir_server.r4 import json as exact
from terminology.coding import codings_of
from tests.evals.conftest import NOW, Records
from tests.evals.figures import Figures

CASES: list[dict[str, Any]] = yaml.safe_load(
    files("fixtures").joinpath("cases", "evals", "grounding.yaml").read_text()
)
FEWEST = 200
A_CONCEPT = 6
"""Resources of one concept that an answer speaks of."""


def evidence(case: dict[str, Any]) -> dict[str, Evidence]:
    found = [
        Evidence(f"{kind}/{n}/_history/1", kind, exact.decode_object(json.dumps(elements).encode()), 1.0)
        for n, item in enumerate(case["evidence"])
        for kind, elements in item.items()
    ]
    return {item.reference: item for item in found}


def accepted(*columns: str) -> list[bool]:
    """Of every claim of these columns, whether it stands."""
    return [
        stands(Claim(text, tuple(cited)), cited)
        for case in CASES
        for cited in [evidence(case)]
        for column in columns
        for text in case.get(column, ())
    ]


def stands(claim: Claim, cited: dict[str, Evidence]) -> bool:
    return guard.allowed(claim) and is_grounded(claim, cited)


def test_every_wrong_claim_is_rejected(figures: Figures) -> None:
    found = accepted("wrong", "fluent")
    figures.reach("grounding: wrong claims rejected", found.count(False) / len(found), len(found))
    assert len(found) >= FEWEST


def test_right_paraphrases_stand(figures: Figures) -> None:
    found = accepted("right")
    figures.reach("grounding: right paraphrases accepted", found.count(True) / len(found), len(found))
    assert len(found) >= FEWEST


def test_what_the_rules_write_stands(records: Records, figures: Figures) -> None:
    found = [
        stands(claim, {item.reference: item for item in group})
        for resources in records.resources.values()
        for group in concepts(resources)
        for language, asked in (("en", "last"), ("en", "trend"), ("fr", "tendance"))
        for claims in explain(understand(asked, language, NOW), group, Person("female", 50))
        for claim in claims
    ]
    figures.reach("grounding: rule-written sentences that stand", found.count(True) / len(found), len(found))


def concepts(resources: Sequence[dict[str, Any]]) -> Iterator[list[Evidence]]:
    """The newest resources of each concept of a record."""
    of: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
    for resource in resources:
        concept = concept_of(resource) if resource["resourceType"] in KINDS else {}
        if concept:
            code = next((c.code for c in codings_of(concept)), "")
            of[resource["resourceType"], code].append(
                evidence_from(exact.encode(resource), 1, Purpose.PATRQT)
            )
    for found in of.values():
        yield sorted(found, key=lambda e: e.time.timestamp() if e.time else 0.0, reverse=True)[:A_CONCEPT]

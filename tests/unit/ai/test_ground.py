"""A claim stands only if what it cites bears it: numbers, units, dates, directions, names and negations."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_layer.beside import mixture
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.ground import grounded

OLD, NEW = "Observation/old/_history/1", "Observation/new/_history/3"


def result(reference: str, value: str, when: str) -> Evidence:
    code = {"coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "Hemoglobin A1c"}]}
    quantity = {"value": Decimal(value), "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}
    limits = [{"low": {"value": Decimal(4)}, "high": {"value": Decimal("5.6")}}]
    elements = {
        "status": "final",
        "code": code,
        "effectiveDateTime": when,
        "valueQuantity": quantity,
        "referenceRange": limits,
    }
    return Evidence(reference, "Observation", elements, 1.0)


EVIDENCE = [result(NEW, "6.9", "2026-01-10"), result(OLD, "8.1", "2025-03-02")]


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Your A1c was 6.9 % on 10 January 2026.", (NEW,)),
        ("On 2026-01-10 it was 6.9 %.", (NEW,)),
        ("It is down from 8.1 % on 2 March 2025.", (NEW, OLD)),
        ("It is above the range of 4 to 5.6 %.", (NEW,)),
        ("The HbA1c fell from 8.1 % to 6.9 %.", (NEW, OLD)),
    ],
)
def test_a_true_claim_stands(text: str, cited: tuple[str, ...]) -> None:
    claim = Claim(text, cited)
    assert grounded([claim], EVIDENCE) == [claim]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_a_mixture_holds_stands_word_by_word(language: str) -> None:
    text = "Hydrocodone Bitartrate 5 MG / Acetaminophen 325 MG Oral Tablet"
    elements = {"status": "active", "medicationCodeableConcept": {"text": text}}
    item = Evidence("MedicationRequest/m/_history/1", "MedicationRequest", elements, 1.0)
    claims = mixture(item, language)
    assert len(claims) == 2
    assert grounded(claims, [item]) == claims
    assert grounded([Claim("It holds aspirin. Eases pain.", (item.reference,))], [item]) == []


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Your A1c was 7.9 % on 10 January 2026.", (NEW,)),
        ("Your A1c was 6.9 mmol/L.", (NEW,)),
        ("Your A1c was 6.9 % on 11 January 2026.", (NEW,)),
        ("Your A1c was 6.9 % on 2 March 2025.", (NEW,)),
        ("It is up from 8.1 %.", (NEW, OLD)),
        ("It rose to 6.9 %.", (NEW, OLD)),
        ("It is down.", (NEW,)),
        ("It is within the range.", (NEW,)),
        ("It is below the range.", (NEW,)),
        ("Your potassium is 6.9 %.", (NEW,)),
        ("There is no sign of trouble.", (NEW,)),
        ("Your A1c was 6.9 %.", ("Observation/other/_history/1",)),
        ("Your A1c was 6.9 %.", ()),
    ],
)
def test_a_wrong_claim_is_dropped(text: str, cited: tuple[str, ...]) -> None:
    assert grounded([Claim(text, cited)], EVIDENCE) == []


WORDS = st.sampled_from(
    [
        *"§@‡.,;:%/-()[]{}",
        "a1c",
        "6.9",
        "8.1 %",
        "10 January 2026",
        "31 February 2026",
        "from",
        "to",
        "up",
        "\n",
    ]
)


@given(st.lists(WORDS | st.text(max_size=12), max_size=12).map(" ".join))
def test_whatever_a_model_writes_is_judged_and_breaks_nothing(text: str) -> None:
    assert len(grounded([Claim(text, (NEW, OLD))], EVIDENCE)) <= 1

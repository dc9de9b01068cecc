"""What goes out to a language model: the elements that the purpose needs, and nothing that tells whose record it is.

45 CFR 164.514(b)(2); every identifier of the patient stands in every free text of the record, and is looked for in all that was sent.
"""

from __future__ import annotations

import hashlib
import json as plain_json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ai_layer import chat
from ai_layer.answers import parameters
from ai_layer.ask import ask
from ai_layer.embed import LangChainEmbedder
from ai_layer.minimum import minimum
from ai_layer.operations import OPERATIONS
from ai_layer.retriever import ChartRetriever
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from fhir_server.settings import ConfigurationError, Settings
from tests.ai.conftest import RECORD, observation, order
from tests.service import put

Json = dict[str, Any]
IDENTIFIERS = (
    *(
        "Zyxwood",
        "Annabel",
        "ZYXWOOD",
        "Zyxwöod",
        "Oldmaiden",
        "Brotherton",
        "12 Quarry Lane",
        "Nowheresville",
        "Fardistrict",
        "02139",
    ),
    *(
        "617-555-0134",
        "(617) 555-0134",
        "617.555.0134",
        "ann.zyx@example.org",
        "MRN-778123",
        "778123",
        "987-65-4321",
        "987654321",
    ),
    *(
        "1960-05-05",
        "5 May 1960",
        "May 5, 1960",
        "05/05/1960",
        "H4411-22",
        "policy 88-1234",
        "https://portal.example/ann",
        "10.11.12.13",
    ),
    *("4T1BF1FK5CU123456", "patient-ann-0001", "555-0199", "d5d1b2a0-1111-4222-8333-444455556666"),
)
WHO: Json = {
    "gender": "female",
    "birthDate": "1960-05-05",
    "name": [{"family": "Zyxwood", "given": ["Annabel"]}, {"use": "old", "family": "Zyxwöod"}],
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
            "valueString": "Oldmaiden",
        }
    ],
    "telecom": [
        {"system": "phone", "value": "+1 617 555 0134"},
        {"system": "email", "value": "ann.zyx@example.org"},
    ],
    "address": [
        {
            "line": ["12 Quarry Lane"],
            "city": "Nowheresville",
            "district": "Fardistrict",
            "postalCode": "02139-1234",
        }
    ],
    "identifier": [
        {"system": "urn:mrn", "value": "MRN-778123"},
        {"value": "987-65-4321"},
        {"value": "patient-ann-0001"},
    ],
    "contact": [{"name": {"family": "Brotherton"}, "telecom": [{"system": "phone", "value": "555-0199"}]}],
}
TEXT = "seen with " + "; ".join(IDENTIFIERS)


def concept(concept: Json, text: str) -> Json:
    """The same concept, called as a careless writer would."""
    coding = [{**c, "display": f"{c.get('display', '')} {text}", "version": text} for c in concept["coding"]]
    return {
        "coding": coding,
        "text": f"{concept['text']} {text}",
        "extension": [{"url": "urn:x", "valueString": text}],
    }


def leaky() -> dict[str, Json]:
    """Ann's record with every identifier in every free text."""
    chol = observation("2093-3", "Total Cholesterol", 231.5, "mg/dL", "2025-11-11")
    noted = {
        "note": [{"text": TEXT}],
        "performer": [{"display": TEXT}],
        "subject": {"reference": "Patient/ann", "display": TEXT},
    }
    said = {"valueString": TEXT, "interpretation": [{"text": TEXT}], "identifier": [{"value": "MRN-778123"}]}
    bare = {
        k: v
        for k, v in observation("718-7", "Hemoglobin", 1, "g/dL", "2025-10-10").items()
        if k != "valueQuantity"
    }
    reaction = [{"description": TEXT, "manifestation": [{"text": TEXT}], "note": [{"text": TEXT}]}]
    return {
        "Patient/ann": WHO,
        "RelatedPerson/r": {"patient": {"reference": "Patient/ann"}, "name": [{"family": "Brotherton"}]},
        "Coverage/c": {
            "beneficiary": {"reference": "Patient/ann"},
            "subscriberId": "H4411-22",
            "status": "active",
        },
        "Observation/chol": chol | noted | {"code": concept(chol["code"], TEXT)},
        "Observation/said": bare | noted | said,
        "Condition/diabetes": RECORD["Condition/diabetes"]
        | noted
        | {"code": concept(RECORD["Condition/diabetes"]["code"], TEXT)},
        "AllergyIntolerance/a": {
            "patient": {"reference": "Patient/ann"},
            "code": {"text": f"Penicillin {TEXT}"},
            "reaction": reaction,
        },
        "MedicationRequest/lisinopril": order("314076", "lisinopril 10 MG Oral Tablet", **noted)
        | {
            "dispenseRequest": {"performer": {"display": TEXT}, "numberOfRepeatsAllowed": 2},
            "reasonCode": [{"text": TEXT}],
        },
        "DiagnosticReport/d": {
            "status": "final",
            "subject": {"reference": "Patient/ann"},
            "effectiveDateTime": "2025-11-11",
            "conclusion": TEXT,
            "code": {"text": "Lipid panel"},
            "result": [{"reference": "Observation/chol", "display": TEXT}],
        },
    }


class Overhearing:
    """A model that keeps what it is given and says what it is told to."""

    def __init__(self, *said: str) -> None:
        self.given: list[str] = []
        self.said = chat.ModelAnswer(claims=[chat.ModelClaim(text=text, evidence=[0]) for text in said])

    def with_structured_output(self, shape: type, include_raw: bool = False) -> Overhearing:
        return self

    def invoke(self, messages: list[tuple[str, str]]) -> Json:
        self.given += [text for _, text in messages]
        return {"parsed": self.said, "raw": None, "parsing_error": None}

    @property
    def data(self) -> Json:
        found: Json = plain_json.loads(self.given[-1])
        return found


def overhearing(
    context: Context, monkeypatch: pytest.MonkeyPatch, *said: str, **settings: Any
) -> Overhearing:
    """A model that is configured for this context."""
    model = Overhearing(*said)
    context.service.settings = replace(context.service.settings, model="scripted:model", **settings)
    monkeypatch.setattr(chat, "chat_model", lambda name, url: model)
    return model


def explained(context: Context, kind: str, logical_id: str) -> None:
    """$explain of a resource."""
    explain = next(operation for operation in OPERATIONS if operation.code == "explain")
    explain.handler(context, OperationRequest(kind, logical_id, {}))


QUESTIONS = (
    "How is my cholesterol?",
    "my conditions",
    "my medicines",
    "my allergies",
    "What was my last hemoglobin?",
    f"How is my cholesterol? {TEXT}",
)


def test_no_identifier_of_the_patient_reaches_a_model(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(context, leaky())
    model = overhearing(context, monkeypatch)
    for question in QUESTIONS:
        ask(context, "ann", question)
    assert len(model.given) >= 2 * 4
    everything = "\n".join(model.given)
    assert [term for term in IDENTIFIERS if term.lower() in everything.lower()] == []
    assert "Cholesterol" in everything
    assert "231.5" in everything


def test_no_identifier_reaches_it_when_a_resource_is_explained(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(context, leaky())
    model = overhearing(context, monkeypatch)
    for name in (
        "Observation/chol",
        "Condition/diabetes",
        "MedicationRequest/lisinopril",
        "DiagnosticReport/d",
    ):
        kind, _, logical_id = name.partition("/")
        explained(context, kind, logical_id)
    assert len(model.given) == 2 * 4
    everything = "\n".join(model.given)
    assert [term for term in IDENTIFIERS if term.lower() in everything.lower()] == []


def test_no_identifier_reaches_an_assistant_of_somebody_else(context: Context) -> None:
    put(context, leaky())
    found = ChartRetriever(context=context, patient_id="ann", limit=50).invoke("everything")
    everything = " ".join(f"{d.page_content} {d.metadata['label']}" for d in found)
    assert [term for term in IDENTIFIERS if term.lower() in everything.lower()] == []
    assert "231.5" in everything


def test_only_the_elements_of_the_table_go_out(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    put(context, leaky())
    model = overhearing(context, monkeypatch)
    for question in QUESTIONS:
        ask(context, "ann", question)
        for item in model.data["evidence"]:
            assert set(item) == {"number", "type", "elements"}
            assert set(item["elements"]) <= set(minimum().sets[Purpose.PATRQT][item["type"]])
            assert set(members(list(item["elements"].values()))) <= minimum().inside


def members(element: Any) -> list[str]:
    """Names of the members at any depth."""
    if isinstance(element, list):
        return [name for each in element for name in members(each)]
    if isinstance(element, dict):
        return [*element, *members(list(element.values()))]
    return []


def test_the_manifest_is_the_hash_of_what_went_out(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    put(context, leaky())
    model = overhearing(context, monkeypatch)
    answer = ask(context, "ann", "How is my cholesterol?")
    references = [item.reference for item in answer.evidence]
    sent = [
        json.decode_object(json.encode(item))
        for item in json.decode_object(model.given[-1].encode())["evidence"]
    ]
    listed = [
        {"reference": r, "elements": item["elements"]} for r, item in zip(references, sent, strict=True)
    ]
    proof = json.encode_sorted({"evidence": listed, "access": context.access.reason, "writer": answer.writer})
    assert answer.manifest == hashlib.sha256(proof).hexdigest()
    event = search(context, "AuditEvent", [("patient", "ann")]).body or b""
    assert answer.manifest.encode() in event


def test_moved_dates_go_out_and_the_true_ones_come_back(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = overhearing(context, monkeypatch, model_dates="shift", deidentify_key="a secret of the hospital")
    ask(context, "ann", "How is my cholesterol?")
    assert "2025-11-11" not in "\n".join(model.given)
    assert "11 November 2025" not in "\n".join(model.given)
    moved = model.data["draft"][0].rpartition(" on ")[2].rstrip(".")
    model.said = chat.ModelAnswer(
        claims=[chat.ModelClaim(text=f"On {moved} your total cholesterol was 231.5 mg/dL.", evidence=[0])]
    )
    answer = ask(context, "ann", "How is my cholesterol?")
    assert (answer.writer, answer.answer) == (
        "scripted:model",
        "On 11 November 2025 your total cholesterol was 231.5 mg/dL.",
    )


def test_all_dates_of_a_patient_move_together_and_those_of_another_otherwise(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = observation("2093-3", "Total Cholesterol", 200, "mg/dL", "2025-01-11")
    put(
        context,
        {"Observation/chol-0": more, "Observation/bob-2": more | {"subject": {"reference": "Patient/bob"}}},
    )
    model = overhearing(context, monkeypatch, model_dates="shift", deidentify_key="k")
    ask(context, "ann", "How did my cholesterol change?")
    first, second = days_of(model)
    assert abs(date.fromisoformat(first) - date.fromisoformat(second)).days == 304
    ask(context, "bob", "How did my cholesterol change?")
    assert {first, second}.isdisjoint(days_of(model))


def days_of(model: Overhearing) -> list[str]:
    """The days of the results that were sent."""
    return [i["elements"]["effectiveDateTime"] for i in model.data["evidence"] if i["type"] == "Observation"]


def test_dates_are_not_moved_without_a_key() -> None:
    with pytest.raises(ConfigurationError):
        Settings.load({"CHARTLINE_MODEL_DATES": "shift"})


def test_a_date_of_birth_goes_out_as_its_year_only(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    put(context, {"Observation/newborn": observation("8339-4", "Birth weight", 3, "kg", "1960-05-05")})
    model = overhearing(context, monkeypatch)
    ask(context, "ann", "What was my birth weight?")
    assert "1960-05-05" not in model.given[-1]
    assert "5 May 1960" not in model.given[-1]


def test_each_purpose_has_its_elements_or_none() -> None:
    assert set(minimum().sets) == set(Purpose)


@pytest.mark.parametrize("purpose", [Purpose.HPAYMT, Purpose.HRESCH, Purpose.PUBHLTH, Purpose.PATADMIN])
def test_a_purpose_that_needs_nothing_of_a_record_gets_nothing(context: Context, purpose: Purpose) -> None:
    asked = replace(context, access=decide(context.access.actor, purpose, mode="opt-out"))
    answer = ask(asked, "ann", "How is my cholesterol?")
    assert (answer.status, answer.evidence) == ("refused", ())
    assert "231" not in str(parameters(answer))


def test_an_embedder_elsewhere_gets_no_numbers_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    class Elsewhere:
        def embed_query(self, text: str) -> list[float]:
            return [1.0, 0.0]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            given.extend(texts)
            return [[1.0, 0.0] for _ in texts]

    monkeypatch.setattr("langchain.embeddings.init_embeddings", lambda name: Elsewhere())
    LangChainEmbedder("elsewhere:model").embed(["lipids. MRN 778123, 617-555-0134", "ann.zyx@example.org"])
    assert [term for term in IDENTIFIERS if term in " ".join(given)] == []
    assert "lipids" in given[0]

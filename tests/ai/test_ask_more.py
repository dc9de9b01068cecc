"""$ask and $explain on what goes beyond one result: critical values, medicines beside a result, panels, follow-ups, advice that is not given."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ai_layer.answers import Answer
from ai_layer.ask import ask
from ai_layer.commands.ask import show
from ai_layer.operations import OPERATIONS
from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from tests.ai.conftest import RECORD, observation, order
from tests.service import put

POTASSIUM = ("2823-3", "Potassium [Moles/volume] in Serum or Plasma")
OLD, RECENT = "2025-06-01", "2026-03-10"
LIMITS: dict[str, Any] = {"referenceRange": [{"low": {"value": 3.5}, "high": {"value": 5.1}}]}


def cited(answer: Answer) -> set[str]:
    return {reference for claim in answer.claims for reference in claim.citations}


def explained(context: Context, kind: str, logical_id: str, language: str = "en") -> dict[str, Any]:
    handler = next(op.handler for op in OPERATIONS if op.code == "explain")
    found = handler(
        context,
        OperationRequest(kind, logical_id, {"parameter": [{"name": "language", "valueCode": language}]}),
    )
    assert hasattr(found, "body")
    return json.decode_object(found.body or b"{}")


def text_of(parameters: dict[str, Any]) -> str:
    return str(next(p["valueString"] for p in parameters["parameter"] if p["name"] == "answer"))


def test_a_new_critical_result_comes_before_whatever_is_asked_and_only_once(context: Context) -> None:
    put(context, {"Observation/k": observation(*POTASSIUM, 6.4, "mmol/L", RECENT)})
    answer = ask(context, "ann", "What was my last A1c?")
    assert (answer.status, answer.reason) == ("escalated", "danger")
    assert answer.answer.startswith(answer.advice)
    assert "6.4 mmol/L on 10 March 2026" in answer.answer
    assert cited(answer) == {"Observation/k/_history/1"}
    tasks = json.decode_object(search(context, "Task", [("patient", "ann")]).body or b"")
    assert [e["resource"]["focus"]["reference"] for e in tasks["entry"]] == ["Observation/k"]
    assert ask(context, "ann", "What was my last A1c?").status == "answered"


@pytest.mark.parametrize(("value", "when"), [(6.4, OLD), (5.9, RECENT)])
def test_an_old_result_or_one_that_is_not_critical_escalates_nothing(
    context: Context, value: float, when: str
) -> None:
    put(context, {"Observation/k": observation(*POTASSIUM, value, "mmol/L", when)})
    assert ask(context, "ann", "What was my last A1c?").status == "answered"


def test_a_critical_result_that_a_newer_one_has_settled_escalates_nothing(context: Context) -> None:
    put(context, {"Observation/k1": observation(*POTASSIUM, 6.4, "mmol/L", "2026-03-09")})
    put(context, {"Observation/k2": observation(*POTASSIUM, 4.4, "mmol/L", RECENT)})
    assert ask(context, "ann", "What was my last A1c?").status == "answered"


def test_a_high_potassium_is_told_with_the_medicine_of_this_record_that_can_raise_it(
    context: Context,
) -> None:
    put(context, {"Observation/k": observation(*POTASSIUM, 5.6, "mmol/L", OLD, **LIMITS)})
    answer = ask(context, "ann", "How is my potassium?")
    assert "Your record also lists lisinopril 10 MG Oral Tablet, which can raise potassium." in answer.answer
    assert "MedicationRequest/lisinopril/_history/1" in cited(answer)
    assert "MedicationRequest/lisinopril/_history/1" in {item.reference for item in answer.evidence}


def test_a_potassium_inside_its_range_is_told_alone(context: Context) -> None:
    put(context, {"Observation/k": observation(*POTASSIUM, 4.6, "mmol/L", OLD, **LIMITS)})
    assert "lisinopril" not in ask(context, "ann", "How is my potassium?").answer


def test_a_value_is_told_in_both_units_that_are_in_use(context: Context) -> None:
    assert "231.5 mg/dL" in ask(context, "ann", "How is my cholesterol?").answer
    assert (
        "In the other unit in use, that is 5.99 mmol/L."
        in ask(context, "ann", "How is my cholesterol?").answer
    )


def test_an_explanation_ends_with_what_people_ask_next(context: Context) -> None:
    assert "People often ask their care team next" in text_of(explained(context, "Observation", "chol"))
    assert "On demande souvent" in text_of(explained(context, "Condition", "diabetes", "fr"))


def test_a_report_is_told_as_a_whole_and_result_by_result(context: Context) -> None:
    low: dict[str, Any] = {"referenceRange": [{"low": {"value": 12}, "high": {"value": 15.5}}]}
    put(
        context,
        {
            "Observation/hb": observation("718-7", "Hemoglobin", 11, "g/dL", OLD, **low),
            "Observation/k": observation(*POTASSIUM, 4.6, "mmol/L", OLD, **LIMITS),
            "DiagnosticReport/panel": {
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "58410-2"}], "text": "CBC panel"},
                "subject": {"reference": "Patient/ann"},
                "effectiveDateTime": OLD,
                "result": [{"reference": "Observation/hb"}, {"reference": "Observation/k"}],
            },
        },
    )
    told = text_of(explained(context, "DiagnosticReport", "panel"))
    assert "The report has 2 results: 0 above, 1 below and 1 inside their range." in told
    assert "11 g/dL" in told
    assert "4.6 mmol/L" in told


def test_a_follow_up_is_answered_from_what_the_question_before_spoke_of(context: Context) -> None:
    answer = ask(context, "ann", "and before that?", previous="What was my last A1c?")
    assert "8.1 % on 2 March 2025" in answer.answer
    assert "6.9" not in answer.answer
    assert ask(context, "ann", "thank you", previous="What was my last A1c?").status == "abstained"
    again = ask(context, "ann", "What was my cholesterol?", previous="What was my last A1c?")
    assert "231.5 mg/dL" in again.answer
    assert "8.1" not in again.answer


@pytest.mark.parametrize(
    ("question", "language", "words"),
    [
        ("Should I stop my lisinopril?", "en", "Only your care team"),
        ("How much lisinopril should I take?", "en", "Only your care team"),
        ("Can I double my lisinopril?", "en", "Only your care team"),
        ("Dois-je arrêter le lisinopril ?", "fr", "Seule votre équipe de soins"),
    ],
)
def test_a_question_for_a_clinician_is_sent_there_with_what_the_record_says(
    context: Context, question: str, language: str, words: str
) -> None:
    answer = ask(context, "ann", question, language)
    assert answer.answer.startswith(words)
    assert "lisinopril" in answer.answer
    assert cited(answer) == {"MedicationRequest/lisinopril/_history/1"}


def test_a_result_without_a_unit_is_told_without_one_and_compared_with_nothing(context: Context) -> None:
    bare = RECORD["Observation/chol"] | {"valueQuantity": {"value": 231.5}}
    put(context, {"Observation/chol": bare})
    answer = ask(context, "ann", "How is my cholesterol?")
    assert "231.5 on 11 November 2025" in answer.answer
    assert "mmol/L" not in answer.answer


def test_facts_that_contradict_each_other_are_both_told(context: Context) -> None:
    put(
        context,
        {"MedicationRequest/again": order("314076", "lisinopril 10 MG Oral Tablet") | {"status": "stopped"}},
    )
    answer = ask(context, "ann", "Have I ever taken lisinopril?")
    assert answer.status == "answered"
    assert all(reference.startswith("MedicationRequest/") for reference in cited(answer))


def test_an_empty_record_is_told_to_be_silent(context: Context) -> None:
    put(context, {"Patient/new": {"gender": "female"}})
    for question in ("What medicines do I take?", "What was my last A1c?", "Which vaccines have I had?"):
        answer = ask(context, "new", question)
        assert (answer.status, answer.claims) == ("abstained", ())
        assert "Nothing in your record says so" in answer.answer


def test_a_red_flag_is_seen_even_in_a_question_that_is_too_long(context: Context) -> None:
    answer = ask(context, "ann", "I have crushing chest pain. " + "My story is long. " * 6000)
    assert answer.status == "escalated"


@pytest.mark.parametrize(
    ("question", "value", "other"),
    [
        ("What was my hemoglobin before the operation?", "13.1 g/dL", "9.8"),
        ("What was my hemoglobin before my bypass surgery?", "13.1 g/dL", "9.8"),
        ("What was my hemoglobin after the surgery?", "9.8 g/dL", "13.1 g/dL"),
        ("Quelle était mon hémoglobine avant l'opération ?", "13.1 g/dL", "9.8"),
    ],
)
def test_an_event_of_the_record_bounds_the_time(
    context: Context, question: str, value: str, other: str
) -> None:
    bypass = {
        "system": "http://snomed.info/sct",
        "code": "232717009",
        "display": "Coronary artery bypass grafting",
    }
    put(
        context,
        {
            "Observation/hb1": observation("718-7", "Hemoglobin", 13.1, "g/dL", "2025-01-05"),
            "Observation/hb2": observation("718-7", "Hemoglobin", 9.8, "g/dL", "2025-02-05"),
            "Procedure/bypass": {
                "status": "completed",
                "code": {"coding": [bypass], "text": "Coronary artery bypass grafting"},
                "subject": {"reference": "Patient/ann"},
                "performedDateTime": "2025-01-20",
            },
        },
    )
    told = ask(context, "ann", question).answer
    assert value in told
    assert other not in told


@pytest.mark.parametrize(
    "question",
    [
        "What is the cholesterol of Bob Quillfeather?",
        "my husband's cholesterol",
        "cholesterol of Patient/bob",
    ],
)
def test_where_somebody_else_is_named_the_answer_says_whose_record_it_is_from(
    context: Context, question: str
) -> None:
    answer = ask(context, "ann", question)
    assert answer.answer.startswith("This answers from your own record alone.")
    assert "111" not in answer.answer


def test_the_terminal_says_first_whom_to_ask(context: Context) -> None:
    console = Console(record=True, file=StringIO(), width=200)
    show(console, ask(context, "ann", "Should I stop my lisinopril?"))
    assert console.export_text().startswith("Only your care team can answer that for you")


@pytest.mark.parametrize(
    "mark",
    [
        {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]},
        {"implicitRules": "http://example.org/rules"},
        {
            "referenceRange": [
                {"high": {"value": 5}, "modifierExtension": [{"url": "http://example.org/not"}]}
            ]
        },
    ],
)
def test_what_may_not_mean_what_it_says_is_neither_found_nor_explained(
    context: Context, mark: dict[str, Any]
) -> None:
    put(context, {"Observation/chol": {**RECORD["Observation/chol"], **mark}})
    assert ask(context, "ann", "What is my cholesterol?").status == "abstained"
    found = {p["name"]: p for p in explained(context, "Observation", "chol")["parameter"]}
    assert found["status"]["valueCode"] == "abstained"
    assert "may change what it means" in found["answer"]["valueString"]

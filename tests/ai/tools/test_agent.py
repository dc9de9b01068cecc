"""Requests of several steps: how they are split, what comes of each step, and that no model decides more than which tools.

The guards are those of the tools; an emergency ends everything else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from ai_layer.tools.agent import assist
from ai_layer.tools.planning import MOST_STEPS, plan
from ai_layer.tools.toolkit import tools
from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from fhir_server.rest.auth import issue_token
from tests.ai.tools.conftest import free_times
from tests.service import put

LEE = {"Practitioner/lee": {"name": [{"family": "Lee", "prefix": ["Dr."]}]}}
Json = dict[str, Any]


@pytest.mark.parametrize(
    ("request_", "steps"),
    [
        ("check my sugar and book me with Dr Lee", ["explain", "draft_appointment"]),
        ("What is my cholesterol?", ["explain"]),
        ("Refill my lisinopril, then schedule a visit with my doctor", ["draft_refill", "draft_appointment"]),
        ("I am running out of my blood pressure pills", ["draft_refill"]),
        ("renouveler mon lisinopril et prendre un rendez-vous", ["draft_refill", "draft_appointment"]),
        ("salt and pepper", ["explain"]),
        ("", []),
    ],
)
def test_a_request_is_split_into_steps(request_: str, steps: list[str]) -> None:
    assert [step.tool for step in plan(request_)] == steps


def test_a_plan_has_an_end() -> None:
    assert len(plan("; ".join(f"what is my result number {n}" for n in range(50)))) == MOST_STEPS


def test_sugar_is_explained_and_a_visit_drafted_with_the_doctor_who_was_named(context: Context) -> None:
    free_times(context.service)
    first, second = assist(context, "ann", "check my sugar and book me with Dr Rivera")
    assert (first.tool, first.answer["status"]) == ("explain", "answered")
    assert "6.9" in first.answer["answer"]
    assert second.tool == "draft_appointment"
    assert "refused" in second.answer
    known = assist(context, "ann", "book me with Dr Lee")[0]
    (lee,) = _found(context, "Practitioner", family="Lee")
    assert known.arguments["practitioner"] == f"Practitioner/{lee['id']}"
    assert known.answer["task"].startswith("Task/")
    put(context, LEE)
    assert "refused" in assist(context, "ann", "book me with Dr Lee")[0].answer


def test_a_refill_finds_the_order_by_the_name_of_the_medicine(context: Context) -> None:
    (done,) = assist(context, "ann", "please refill my lisinopril")
    assert done.arguments["order"] == "MedicationRequest/lisinopril"
    assert {check["name"] for check in done.answer["check"]} >= {"own-order", "active-order"}


def test_an_emergency_is_handed_over_and_nothing_else_is_done(context: Context) -> None:
    done = assist(context, "ann", "refill my lisinopril and I have crushing chest pain")
    assert [each.tool for each in done] == ["hand_off"]
    assert done[0].answer["status"] == "escalated"
    assert _found(context, "MedicationRequest", status="draft") == []


def test_the_tools_of_langchain_name_no_patient_and_act_for_the_one_they_are_bound_to(
    context: Context,
) -> None:
    by_name = {tool.name: tool for tool in tools(context, "ann")}
    assert all("patient" not in tool.args for tool in by_name.values())
    found = by_name["search_record"].invoke({"query": "cholesterol"})
    assert {one["reference"] for one in found["found"]} >= {"Observation/chol/_history/1"}
    assert by_name["explain"].invoke({"reference": "Patient/ann"})["code"]


class Chooses(GenericFakeChatModel):
    """A model that answers with these calls of tools."""

    def bind_tools(self, tools: Any, **more: Any) -> Runnable[Any, Any]:
        return self


def test_a_model_chooses_tools_and_none_of_its_words_is_told(context: Context) -> None:
    calls = [
        {"name": "explain", "args": {"question": "What is my cholesterol?"}, "id": "1"},
        {"name": "sign_off", "args": {"task": "Task/1"}, "id": "2"},
        {"name": "search_record", "args": {"query": "cholesterol", "patient": "bob"}, "id": "3"},
    ]
    message = AIMessage(content="Your cholesterol is 999, stop your pills.", tool_calls=calls)
    done = assist(context, "ann", "how am I", model=Chooses(messages=iter([message])))
    assert [each.tool for each in done] == ["explain", "search_record"]
    told = json.encode([each.answer for each in done]).decode()
    assert "231.5" in told
    assert "999" not in told
    assert "Observation/bobs" not in told


def test_a_model_that_is_down_leaves_the_plan_to_the_rules(context: Context) -> None:
    done = assist(context, "ann", "What is my cholesterol?", model=Chooses(messages=iter([])))
    assert [each.tool for each in done] == ["explain"]


def test_the_operation_answers_with_the_steps(context: Context) -> None:
    operation = context.service.operations.find("assist", "Patient", instance=True)
    assert operation is not None
    given = {"parameter": [{"name": "request", "valueString": "What is my cholesterol?"}]}
    found = operation.handler(context, OperationRequest("Patient", "ann", given))
    (step,) = json.decode_object(found.body)["parameter"]
    parts = {part["name"]: part for part in step["part"]}
    assert parts["tool"]["valueCode"] == "explain"
    assert parts["citation"]["valueReference"]["reference"] == "Observation/chol/_history/1"


def test_patients_and_clinicians_may_ask_over_http_and_each_reaches_only_their_own(context: Context) -> None:
    context.service.settings = replace(context.service.settings, auth="smart")
    given = {
        "resourceType": "Parameters",
        "parameter": [{"name": "request", "valueString": "my cholesterol?"}],
    }
    with TestClient(create_app(context.service), base_url="http://127.0.0.1") as client:

        def ask(role: Role, patient: str, of: str) -> tuple[int, str]:
            head = {"authorization": f"Bearer {issue_token(context.service, role, patient, '')}"}
            answer = client.post(f"/fhir/Patient/{of}/$assist", json=given, headers=head)
            return answer.status_code, answer.text

        assert "231.5 mg/dL" in ask(Role.PATIENT, "ann", "ann")[1]
        assert "231.5 mg/dL" in ask(Role.CLINICIAN, "", "ann")[1]
        (status, other), (none, nobody) = ask(Role.PATIENT, "bob", "ann"), ask(Role.PATIENT, "bob", "nobody")
        assert "231.5" not in other
        assert (status, other.replace("ann", "nobody")) == (none, nobody)
        assert ask(Role.STAFF, "", "ann")[0] == 403


def _found(context: Context, resource_type: str, **asked: str) -> list[Json]:
    found = search(context, resource_type, list(asked.items()))
    return [entry["resource"] for entry in json.decode_object(found.body or b"{}").get("entry", [])]

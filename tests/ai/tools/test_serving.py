"""The tools over MCP, by the official client over real HTTP: who may call, what comes back, and what stands in the log afterwards.

https://modelcontextprotocol.io/specification/2025-06-18/server/tools
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from ai_layer.tools.table import MOST_LETTERS, TOOLS
from fhir_server.access.actor import Role
from fhir_server.interactions.context import Service
from fhir_server.interactions.search import search
from fhir_server.r4 import json as fhir_json
from fhir_server.rest.auth import issue_token
from tests.ai.tools.conftest import CallTool, free_times
from tests.service import context_of

Json = dict[str, Any]
ASK = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"accept": "application/json, text/event-stream"}


def test_the_tools_are_listed_with_their_sizes_and_none_of_them_signs(address: str, ann: str) -> None:
    async def listed() -> list[Any]:
        headers = {"authorization": f"Bearer {ann}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
        ):
            return (await client.list_tools()).tools

    found = asyncio.run(listed())
    assert [tool.name for tool in found] == [
        "search_record",
        "explain",
        "draft_refill",
        "draft_appointment",
        "hand_off",
    ]
    for tool in found:
        for schema in tool.input_schema["properties"].values():
            assert "maxLength" in schema or "maximum" in schema
        assert tool.annotations.destructive_hint is False
    assert [t.annotations.read_only_hint for t in found] == [t.is_reading for t in TOOLS]


@pytest.mark.parametrize("header", ["", "Bearer x.y.z", "Basic YTpi"])
def test_without_a_token_the_answer_says_where_one_is_given(address: str, header: str) -> None:
    headers = {**ACCEPT, "authorization": header} if header else ACCEPT
    answer = httpx.post(f"{address}/mcp", json=ASK, headers=headers)
    assert answer.status_code == 401
    told = answer.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
    document = httpx.get(told).json()
    assert document["resource"] == f"{address}/mcp"
    server = httpx.get(
        f"{document['authorization_servers'][0]}/.well-known/oauth-authorization-server"
    ).json()
    assert {"authorization_endpoint", "token_endpoint", "code_challenge_methods_supported"} <= server.keys()


def test_a_session_of_the_web_app_is_no_token_here(address: str, ann: str) -> None:
    answer = httpx.post(
        f"{address}/mcp", json=ASK, headers=ACCEPT, cookies={"chartline": ann, "__Host-chartline": ann}
    )
    assert answer.status_code == 401


def test_a_search_gives_pieces_with_references_and_nothing_that_says_whose_they_are(call: CallTool) -> None:
    found = call("search_record", query="sugar test").structured_content
    assert found["found"][0]["reference"] == "Observation/a1c-2/_history/1"
    text = json.dumps(found)
    assert "6.9" in text
    assert "Zyxwood" not in text
    assert "bobs" not in text
    assert len(text) < MOST_LETTERS


def test_an_explanation_comes_with_citations(call: CallTool) -> None:
    found = call("explain", reference="Observation/a1c-2").structured_content
    assert found["status"] == "answered"
    assert any("Observation/a1c-2/_history/1" in claim["citation"] for claim in found["claim"])
    assert call("explain", question="What is my cholesterol?").structured_content["status"] == "answered"


def test_a_refill_is_drafted_with_its_checks_and_waits(call: CallTool, guarded: Service) -> None:
    found = call("draft_refill", order="MedicationRequest/lisinopril", note="please").structured_content
    assert {check["name"] for check in found["check"]} >= {"own-order", "active-order", "allergy"}
    assert found["task"].startswith("Task/")
    orders = _found(guarded, "MedicationRequest", status="active")
    assert [order["id"] for order in orders] == ["lisinopril"]


def test_a_visit_is_drafted_in_a_free_slot(call: CallTool, guarded: Service) -> None:
    free_times(guarded)
    found = call("draft_appointment", reason="a check of my sugar").structured_content
    assert found["draft"][0].startswith("Appointment/")
    assert [a["status"] for a in _found(guarded, "Appointment", status="proposed")] == ["proposed"]


def test_a_wish_for_a_person_becomes_a_task_and_an_emergency_its_advice(
    call: CallTool, guarded: Service
) -> None:
    assert call("hand_off", words="I do not trust this").structured_content["status"] == "escalated"
    urgent = call("hand_off", words="I have crushing chest pain").structured_content
    assert urgent["status"] == "escalated"
    assert "911" in urgent["answer"] or "emergency" in urgent["answer"].lower()
    assert {task["priority"] for task in _found(guarded, "Task")} == {"routine", "stat"}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_record", {"query": "cholesterol", "patient": "bob"}),
        ("explain", {"question": "What is my cholesterol?", "patient": "bob"}),
        ("explain", {"reference": "Observation/bobs"}),
        ("draft_appointment", {"reason": "a check", "patient": "bob"}),
        ("hand_off", {"words": "call me", "patient": "bob"}),
        ("draft_refill", {"order": "MedicationRequest/nobodys"}),
    ],
)
def test_another_patient_is_refused_nothing_changes_and_the_log_tells(
    call: CallTool, guarded: Service, tool: str, arguments: Json
) -> None:
    before = _told(guarded)
    found = call(tool, **arguments)
    assert found.is_error
    assert "111" not in found.content[0].text  # type: ignore[union-attr]
    assert _found(guarded, "Task") == []
    assert _found(guarded, "Appointment", status="proposed") == []
    refused = [event for event in _told(guarded)[len(before) :] if event["outcome"] != "0"]
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_record", {}),
        ("search_record", {"query": "x" * 501}),
        ("search_record", {"query": "a", "limit": 1000}),
        ("search_record", {"query": "a", "limit": True}),
        ("search_record", {"query": "a", "status": "active"}),
        ("search_record", {"query": 7}),
        ("explain", {}),
        ("explain", {"reference": "Patient/ann"}),
        ("explain", {"reference": "../Observation/a1c-2"}),
        ("explain", {"question": "why?", "language": "de"}),
        ("draft_refill", {"order": "Observation/a1c-2"}),
        ("draft_appointment", {"urgency": "whenever"}),
        ("search_record", {"query": "a", "patient": "ann/../bob"}),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(call: CallTool, tool: str, arguments: Json) -> None:
    found = call(tool, **arguments)
    assert found.is_error
    assert found.content[0].text  # type: ignore[union-attr]


def test_a_clinician_names_the_patient(call: CallTool, guarded: Service) -> None:
    clinician = issue_token(guarded, Role.CLINICIAN)
    assert call("search_record", clinician, query="sugar").is_error
    assert call("search_record", clinician, query="sugar", patient="ann").structured_content["found"]


def test_there_is_no_tool_for_a_sign_off(call: CallTool) -> None:
    for name in ("sign_off", "$sign-off", "approve", "promote"):
        assert call(name, task="Task/1", decision="approve").is_error


def test_a_request_that_is_too_large_is_refused(address: str, ann: str) -> None:
    body = {**ASK, "params": {"x": "y" * 70_000}}
    answer = httpx.post(f"{address}/mcp", json=body, headers={**ACCEPT, "authorization": f"Bearer {ann}"})
    assert answer.status_code == 413


def _found(service: Service, resource_type: str, **asked: str) -> list[Json]:
    found = search(context_of(service), resource_type, list(asked.items()))
    return [entry["resource"] for entry in fhir_json.decode_object(found.body or b"{}").get("entry", [])]


def _told(service: Service) -> list[Json]:
    return _found(service, "AuditEvent", _sort="date", _count="200")

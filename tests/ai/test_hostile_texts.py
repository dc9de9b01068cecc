"""Texts of records that try to be more than texts (fixtures/hostile.yaml): in every free text of a record, and each of them stays a text.

The API gives them back letter by letter, searches for them find or refuse, pages and prompts hold them as data, and no answer does what
they say.
"""

from __future__ import annotations

import json as plain_json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

import fixtures
from ai_layer import chat
from ai_layer.app import make_service
from ai_layer.ask import ask
from fhir_server.app import create_app
from fhir_server.interactions.context import Context
from fhir_server.r4 import json, xml
from fhir_server.settings import Settings
from tests.ai.test_shield import Overhearing
from tests.conftest import new_database
from tests.service import NOW, context_of

Json = dict[str, Any]
GROUPS: dict[str, list[str]] = yaml.safe_load((Path(fixtures.__file__).parent / "hostile.yaml").read_text())
TEXTS = [text for group in GROUPS.values() for text in group]
WEB = Path(chat.__file__).parent / "web"
TERMS = "http://terminology.hl7.org/CodeSystem"
CODED = {"system": "http://loinc.org", "code": "2093-3"}


def may_be_written(text: str) -> bool:
    """R4: no characters below 32 but for tab, line feed and carriage return. https://hl7.org/fhir/R4/datatypes.html#string"""
    return not any(ord(letter) < 32 and letter not in "\t\r\n" for letter in text)


HELD = [text for text in TEXTS if may_be_written(text)]


def record(number: int, text: str) -> Iterator[Json]:
    """A record in which every free text is this one."""
    own = {"subject": {"reference": f"Patient/h{number}"}}
    note = {"note": [{"text": text}]}
    yield {
        "resourceType": "Patient",
        "id": f"h{number}",
        "name": [{"family": text, "given": [text], "text": text}],
        "address": [{"line": [text], "city": text, "text": text}],
        "contact": [{"name": {"text": text}}],
    }
    yield {
        "resourceType": "Observation",
        "id": f"h{number}",
        "status": "final",
        "code": {"text": text, "coding": [{**CODED, "display": text}]},
        "effectiveDateTime": "2026-01-02",
        "valueString": text,
        **own,
        **note,
    }
    yield {"resourceType": "Condition", "id": f"h{number}", "code": {"text": text}, **own, **note}
    yield {
        "resourceType": "MedicationRequest",
        "id": f"h{number}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": text},
        "dosageInstruction": [{"text": text, "patientInstruction": text}],
        **own,
        **note,
    }
    yield {
        "resourceType": "AllergyIntolerance",
        "id": f"h{number}",
        "clinicalStatus": {"coding": [{"system": f"{TERMS}/allergyintolerance-clinical", "code": "active"}]},
        "code": {"text": text},
        "reaction": [{"manifestation": [{"text": text}], "description": text}],
        "patient": own["subject"],
        **note,
    }
    yield {
        "resourceType": "DocumentReference",
        "id": f"h{number}",
        "status": "current",
        "description": text,
        "content": [{"attachment": {"contentType": "text/plain", "title": text}}],
        **own,
    }


@pytest.fixture(scope="module")
def context(postgres: str, template: str) -> Iterator[Context]:
    """A record for each text that R4 lets stand, written through the front door."""
    with new_database(postgres, template) as name:
        service = make_service(
            Settings(pool=4, auth="off", consent="opt-out"), make_conninfo(postgres, dbname=name)
        )
        service.clock = lambda: NOW
        yield context_of(service)
        service.database.close()


@pytest.fixture(scope="module")
def client(context: Context) -> TestClient:
    """With every record in the store."""
    client = TestClient(
        create_app(context.service), base_url="http://127.0.0.1", raise_server_exceptions=False
    )
    for number, text in enumerate(HELD):
        entries = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in record(number, text)
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = client.post("/fhir", content=json.encode(bundle), headers=JSON)
        assert answer.status_code == 200, (text, answer.text)
    return client


JSON = {"content-type": "application/fhir+json"}


def test_there_are_enough_of_them_and_each_is_there_once() -> None:
    assert len(TEXTS) == len(set(TEXTS)) >= 150


def test_what_r4_forbids_in_a_text_is_refused(client: TestClient) -> None:
    refused = [text for text in TEXTS if not may_be_written(text)]
    assert refused
    for text in refused:
        _, observation, *_ = record(0, text)
        answer = client.put("/fhir/Observation/h0", content=json.encode(observation), headers=JSON)
        assert answer.status_code in (400, 422), repr(text)
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_api_gives_them_back_letter_by_letter_in_json_and_in_xml(client: TestClient) -> None:
    for number, text in enumerate(HELD):
        for given in record(number, text):
            address = f"/fhir/{given['resourceType']}/{given['id']}"
            found = client.get(address).json()
            assert {k: v for k, v in found.items() if k != "meta"} == given, repr(text)
            as_xml = client.get(address, headers={"accept": "application/fhir+xml"})
            assert as_xml.status_code == 200
            again = xml.from_xml(as_xml.content)
            assert {k: v for k, v in again.items() if k != "meta"} == given, repr(text)


def test_ndjson_holds_one_resource_a_line(client: TestClient) -> None:
    answer = client.get("/fhir/Observation?_count=500", headers={"accept": "application/fhir+ndjson"})
    lines = answer.content.decode().removesuffix("\n").split("\n")
    assert {plain_json.loads(line)["valueString"] for line in lines} == set(HELD)


def test_searches_for_them_find_or_refuse_and_never_fail(client: TestClient) -> None:
    for text in TEXTS:
        for name in (
            "Patient?name",
            "Patient?address:contains",
            "Observation?code:text",
            "Observation?_content",
        ):
            kind, _, parameter = name.partition("?")
            asked = f"/fhir/{kind}?{urlencode({parameter: text})}"
            answer = client.get(asked)
            assert answer.status_code in (200, 400), (name, text, answer.text[:300])
            kind = "Bundle" if answer.status_code == 200 else "OperationOutcome"
            assert answer.json()["resourceType"] == kind
        answer = client.get(f"/fhir/Patient?{urlencode({'_filter': f'name eq {plain_json.dumps(text)}'})}")
        assert answer.status_code in (200, 400)
        assert client.get(f"/fhir/Patient/{urlencode({'': text})[1:]}").status_code in (400, 404)


def test_no_answer_does_what_a_text_says(context: Context, client: TestClient) -> None:
    before = client.get("/fhir/Task?_summary=count").json()["total"]
    for number in range(len(HELD)):
        for question in ("What are my results?", "What medicines do I take?", "Am I allergic to anything?"):
            answer = ask(context, f"h{number}", question)
            assert answer.status in ("answered", "abstained")
            cited = {reference for claim in answer.claims for reference in claim.citations}
            assert {reference.split("/")[1] for reference in cited} <= {f"h{number}"}
            assert answer.writer == "rules"
    assert client.get("/fhir/Task?_summary=count").json()["total"] == before
    assert client.get("/fhir/MedicationRequest?status=draft&_summary=count").json()["total"] == 0


def test_a_prompt_holds_them_as_data_of_one_json_value(
    context: Context, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Overhearing("You take this medicine.")
    monkeypatch.setattr(chat, "chat_model", lambda name, url: model)
    settings = context.service.settings
    monkeypatch.setattr(context.service, "settings", replace(settings, model="scripted:model"))
    told = (Path(chat.__file__).parent / "prompts" / "explain.md").read_text()
    heard = carried = 0
    for number, text in enumerate(HELD):
        model.given.clear()
        ask(context, f"h{number}", "What medicines do I take?")
        for system, human in zip(model.given[::2], model.given[1::2], strict=True):
            assert system == told
            assert "\n" not in human
            data = plain_json.loads(human)
            assert set(data) == {"question", "language", "evidence", "draft"}
            heard += 1
            assert data["evidence"]
            carried += bool(_strings(data["evidence"]) & {text, "[name]"})
    # Of some the rules say nothing, and so nothing is asked (an order about a dose); parts of others are taken for the patient's own name.
    assert heard > len(HELD) / 2, heard
    assert carried, heard


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for each in inner for text in _strings(each)}


def test_each_event_of_a_stream_is_one_piece_of_json(client: TestClient) -> None:
    for number in range(len(HELD)):
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "question", "valueString": "my medicines"}],
        }
        answer = client.post(
            f"/fhir/Patient/h{number}/$ask",
            content=json.encode(body),
            headers=JSON | {"accept": "text/event-stream"},
        )
        assert answer.status_code == 200
        frames = answer.text.removesuffix("\n\n").split("\n\n")
        for frame in frames:
            event, data = frame.split("\n")
            assert event in ("event: status", "event: evidence", "event: claim", "event: done")
            plain_json.loads(data.removeprefix("data: "))


def test_the_pages_write_texts_as_texts_only() -> None:
    scripts = sorted(WEB.glob("*.js"))
    assert scripts
    for script in scripts:
        source = script.read_text()
        for way in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
        ):
            assert way not in source, f"{script.name}: {way}"

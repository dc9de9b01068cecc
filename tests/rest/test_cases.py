"""The REST cases in fixtures/cases/rest: requests over real HTTP, and what comes back.

A file has `cases`, and `settings` where the server is to have others than usual; a case has `it` (a sentence), `given` (Type/id: elements, stored before) and `steps`. A step is one request: `GET: path`
(or another method), `send` (headers), `body` (an object is sent as FHIR JSON, text as it is), and what is expected:
`status`, `headers` (`*` where any value will do), `has` (header: a part of its text), `lacks` (headers that are not there), `shows` (a part of the answer's JSON; lists are
compared item by item), `keys` (the answer's members, all of them), `empty` (there is no body), `text` and `starts` (a part of the body's text, and its beginning),
`issue` and `at` (code and expression of the OperationOutcome's first issue). No case may be answered with 500.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from fhir_server.r4 import json
from tests.rest.expecting import differences, outcome_problem
from tests.service import context_of, put
from tests.serving import serving

CASES = Path(__file__).parent.parent.parent / "fixtures" / "cases" / "rest"
FILES = sorted(CASES.glob("*.yaml"))
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
FHIR_JSON = "application/fhir+json"
Step = dict[str, Any]


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_rest_cases(path: Path, dsn: str) -> None:
    failures = []
    found = yaml.safe_load(path.read_text())
    with serving(dsn, **found.get("settings", {})) as server, server.client() as fhir:
        for case in found["cases"]:
            put(context_of(server.service), case.get("given", {}))
            said = _first_failure(fhir, case["steps"])
            if said:
                failures.append(f"{case['it']}: {said}")
    assert not failures, "\n".join(failures)


def _first_failure(fhir: httpx.Client, steps: list[Step]) -> str:
    for step in steps:
        method = next(m for m in METHODS if m in step)
        answer = _asked(fhir, method, step)
        said = _status_problem(step, answer) or _header_problem(step, answer) or _body_problem(step, answer)
        if said:
            return f"{method} {step[method]}: {said}"
    return ""


def _asked(fhir: httpx.Client, method: str, step: Step) -> httpx.Response:
    body = step.get("body")
    content = body.encode() if isinstance(body, str) else None if body is None else json.encode(body)
    content = content and content.replace(b'"BASE/', f'"{str(fhir.base_url).rstrip("/")}/'.encode())
    kind = {} if body is None else {"content-type": FHIR_JSON}
    headers = {**kind, **{name.lower(): text for name, text in step.get("send", {}).items()}}
    return fhir.request(method, "/" + str(step[method]), content=content, headers=headers)


def _status_problem(step: Step, answer: httpx.Response) -> str:
    if answer.status_code == step["status"]:
        return outcome_problem(answer) if answer.status_code >= 400 and answer.content else ""
    return f"status {answer.status_code}, not {step['status']}: {answer.text[:300]}"


def _header_problem(step: Step, answer: httpx.Response) -> str:
    for name, wanted in step.get("headers", {}).items():
        found = answer.headers.get(name)
        if found is None or (wanted != "*" and found != str(wanted).replace("BASE", _base(answer))):
            return f"{name}: {found}, not {wanted}"
    for name, part in step.get("has", {}).items():
        if part not in answer.headers.get(name, ""):
            return f"{name}: {answer.headers.get(name)} lacks {part}"
    there = [name for name in step.get("lacks", ()) if name in answer.headers]
    return f"has {there}" if there else ""


def _base(answer: httpx.Response) -> str:
    return str(answer.request.url).partition("/fhir")[0] + "/fhir"


def _body_problem(step: Step, answer: httpx.Response) -> str:
    if step.get("empty") and answer.content:
        return f"has a body: {answer.text[:200]}"
    if "text" in step and step["text"] not in answer.text:
        return f"lacks {step['text']!r}: {answer.text[:300]}"
    if not answer.text.startswith(step.get("starts", "")):
        return f"starts with {answer.text[:100]}"
    found = (
        json.decode(answer.content)
        if "+json" in answer.headers.get("content-type", "") and answer.content
        else {}
    )
    if "keys" in step and sorted(found) != sorted(step["keys"]):
        return f"has {sorted(found)}, not {sorted(step['keys'])}"
    if "issue" in step and found["issue"][0]["code"] != step["issue"]:
        return f"issue {found['issue'][0]}"
    if "at" in step and found["issue"][0].get("expression") != [step["at"]]:
        return f"expression {found['issue'][0].get('expression')}, not {step['at']}"
    return differences(step.get("shows", {}), found)

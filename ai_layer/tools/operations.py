"""Patient/$assist: a request of several steps, carried out by the agent (agent.py)."""

from __future__ import annotations

from typing import Any

from ai_layer.chat import chat_model
from ai_layer.settings import AiSettings
from ai_layer.tools.agent import Done, assist
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
MOST_LETTERS = 2000
LANGUAGES = ("en", "fr")


def _assist(context: Context, request: OperationRequest) -> Result:
    text, language = request.value("request"), request.value("language", "en")
    if not isinstance(text, str) or not text.strip() or len(text) > MOST_LETTERS:
        raise FhirError(Problem.BAD_PARAMETER, f"request: expected a string of up to {MOST_LETTERS} letters.")
    if language not in LANGUAGES:
        raise FhirError(Problem.BAD_PARAMETER, f"language: expected one of {', '.join(LANGUAGES)}.")
    settings = AiSettings.of(context.service.settings)
    model = chat_model(settings.model, settings.model_base_url) if settings.model else None
    done = assist(context, request.id, text, language, model)
    parts = [{"name": "step", "part": _step(each)} for each in done]
    return Result(200, json.encode({"resourceType": "Parameters", "parameter": parts}))


def _step(done: Done) -> list[Json]:
    answer = done.answer
    found: list[Json] = [{"name": "tool", "valueCode": done.tool}]
    names = {"status": "status", "code": "problem"}
    found += [{"name": shown, "valueCode": answer[name]} for name, shown in names.items() if name in answer]
    found += [{"name": name, "valueString": answer[name]} for name in ("answer", "refused") if name in answer]
    citations = {each for claim in answer.get("claim", ()) for each in claim.get("citation", ())}
    found += [_reference("citation", each) for each in sorted(citations)]
    found += [_reference("draft", each) for each in answer.get("draft", ())]
    task = answer.get("task") or answer.get("handoff", {}).get("task")
    return [*found, _reference("task", task)] if task else found


def _reference(name: str, reference: str) -> Json:
    return {"name": name, "valueReference": {"reference": reference}}


_STEP = Parameter(
    "step",
    "out",
    0,
    "*",
    "",
    "what was done, in order",
    (
        Parameter("tool", "out", 1, "1", "code", "explain, draft_refill, draft_appointment or hand_off"),
        Parameter("status", "out", 0, "1", "code", "of an Answer"),
        Parameter("problem", "out", 0, "1", "code", "why it was refused"),
        Parameter("answer", "out", 0, "1", "string", "the verified text"),
        Parameter("refused", "out", 0, "1", "string", "the same in words"),
        Parameter("citation", "out", 0, "*", "Reference", "versions of resources"),
        Parameter("draft", "out", 0, "*", "Reference", "a draft that waits for a signature"),
        Parameter("task", "out", 0, "1", "Reference", "what a person is asked to do"),
    ),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "assist",
        "Carry out a request of several steps",
        _assist,
        ("Patient",),
        instance=True,
        affects_state=True,
        parameters=(
            Parameter("request", "in", 1, "1", "string", "the patient's words"),
            Parameter("language", "in", 0, "1", "code", "en or fr"),
            _STEP,
        ),
    ),
)

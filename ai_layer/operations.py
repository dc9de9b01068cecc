"""The FHIR operations of the assistant: $retrieve, $ask and $explain, each with its OperationDefinition.

SURFACE of the product: names, parameters and the shape of an Answer are a promise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ai_layer import guard, record
from ai_layer.answers import Answer, events, parameters
from ai_layer.ask import EXPLAINED, ask, medicines_beside, with_next, written
from ai_layer.evidence import evidence_from
from ai_layer.history import with_earlier
from ai_layer.passages import may_mean_otherwise
from ai_layer.permission import permission, refused, withheld
from ai_layer.phrases import language_of, sentence
from ai_layer.question import Question, understand
from ai_layer.recorded import recorded
from ai_layer.retrieve import Found, anchored, retrieve
from ai_layer.settings import MOST_FOUND, AiSettings
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import EventStream, Operation, OperationRequest, Parameter
from fhir_server.r4 import json
from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store


def _ask(context: Context, request: OperationRequest) -> Result | EventStream:
    text = _text(request, "question")
    language, previous = _text(request, "language", "en"), _text(request, "previous", "")
    return _answered(ask(context, request.id, text, language, previous), request)


def _answered(answer: Answer, request: OperationRequest) -> Result | EventStream:
    return (
        EventStream(events(answer)) if request.wants_events else Result(200, json.encode(parameters(answer)))
    )


def _text(request: OperationRequest, name: str, default: str | None = None) -> str:
    value = request.value(name, default)
    if not isinstance(value, str):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a string.", "Parameters.parameter")
    return value


def _retrieve(context: Context, request: OperationRequest) -> Result:
    text = _text(request, "query")
    guard.before(text, "en")
    limit = _limit(request)
    types = [str(t) for t in request.values("type")]
    if unknown := [t for t in types if t not in TYPE_CODE]:
        raise FhirError(
            Problem.BAD_PARAMETER, f"type: R4 has no resource type of the name given ({len(unknown)})."
        )
    with context.transaction() as inside:
        assert inside.connection is not None
        settings = AiSettings.of(context.service.settings)
        record.patient(inside.connection, context.access, request.id, context.now())
        allowed = permission(inside, request.id, settings)
        if refusal := refused(allowed):
            raise FhirError(Problem.FORBIDDEN, f"{refusal.text} {refusal.reason}")
        question = anchored(
            inside.connection, context.access, request.id, understand(text, "en", context.now())
        )
        question = _with_times(question, request)
        found = retrieve(
            inside.connection, context.access, request.id, question, settings.embedder, limit, types
        )
        recorded(inside, "retrieve", request.id, Answer("answered"))
    return Result(200, _searchset(context, allowed.kept(found)))


def _limit(request: OperationRequest) -> int:
    value = request.value("limit", 10)
    if isinstance(value, bool) or not str(value).isdigit() or not 0 < int(value) <= MOST_FOUND:
        raise FhirError(Problem.BAD_PARAMETER, f"limit: expected a whole number from 1 to {MOST_FOUND}.")
    return int(value)


def _with_times(question: Question, request: OperationRequest) -> Question:
    given: dict[str, Any] = {}
    for name in ("since", "until"):
        if (text := request.value(name)) is not None:
            try:
                given[name] = parse_instant_or_partial(str(text)).lo
            except ValueError:
                raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a date or dateTime.") from None
    return replace(question, time=replace(question.time, **given)) if given else question


def _searchset(context: Context, found: list[Found]) -> bytes:
    head = {
        "resourceType": "Bundle",
        "id": context.service.new_id(),
        "type": "searchset",
        "total": len(found),
    }
    entries = []
    for one in found:
        url = f"{context.base}/{one.version.type}/{one.version.id}"
        search = json.encode({"mode": "match", "score": round(one.score, 4)})
        entries.append(
            b'{"fullUrl":"%s","resource":%s,"search":%s}' % (url.encode(), one.version.body or b"{}", search)
        )
    text = json.encode(head)
    return text[:-1] + b',"entry":[' + b",".join(entries) + b"]}" if entries else text


def _explain(context: Context, request: OperationRequest) -> Result | EventStream:
    language = _text(request, "language", "en")
    with context.transaction() as inside:
        assert inside.connection is not None
        found = store.current(inside.connection, context.access, request.type, request.id)
        if found is None or found.body is None:
            raise FhirError(Problem.NOT_FOUND, f"There is no {request.type}/{request.id}.")
        reference = f"{request.type}/{request.id}/_history/{found.version}"
        patient_id = _patient_of(json.decode_object(found.body))
        settings = AiSettings.of(context.service.settings)
        patient = record.patient(inside.connection, context.access, patient_id, context.now())
        allowed = permission(inside, patient_id, settings)
        untold = refused(allowed) or withheld(allowed, found.body) or _unclear(found.body, language)
        if untold:
            return _answered(recorded(inside, "explain", patient_id, untold, reference), request)
        evidence = with_earlier(inside.connection, context.access, found, allowed.allows)
        item = evidence_from(found.body, found.version, context.access.purpose)
        question = understand(item.label or request.type, language, context.now())
        medicines = medicines_beside(inside, patient_id, allowed, settings, evidence)
        shield = record.shield(inside.connection, patient, settings)
        answer = written(context, settings, question, evidence, patient.person, medicines, shield)
        answer = with_next(answer, item, language)
        return _answered(recorded(inside, "explain", patient_id, answer, reference), request)


def _unclear(body: bytes, language: str) -> Answer | None:
    """The answer for what may not mean what it says."""
    if not may_mean_otherwise(json.decode_object(body)):
        return None
    return Answer("abstained", text=sentence(language_of(language), "otherwise"))


def _patient_of(resource: dict[str, object]) -> str:
    subject = resource.get("subject") or resource.get("patient")
    reference = subject.get("reference", "") if isinstance(subject, dict) else ""
    kind, _, logical_id = str(reference).partition("/")
    if kind != "Patient":
        raise FhirError(
            Problem.NOT_PROCESSABLE,
            "The resource names no Patient of this server, so nothing of it is explained.",
        )
    return logical_id.partition("/")[0]


def _out_answer() -> tuple[Parameter, ...]:
    return (
        Parameter("status", "out", 1, "1", "code", "answered, abstained, refused or escalated"),
        Parameter("answer", "out", 1, "1", "string", "the whole text, in the order of the claims"),
        Parameter(
            "claim",
            "out",
            0,
            "*",
            "",
            "a sentence and what it cites",
            (
                Parameter("text", "out", 1, "1", "string", "the sentence"),
                Parameter("citation", "out", 0, "*", "Reference", "a version of a resource"),
                Parameter("path", "out", 0, "*", "string", "FHIRPath of the element used"),
                Parameter(
                    "source", "out", 0, "1", "string", "a page that the sentence rests on beside the record"
                ),
            ),
        ),
        Parameter(
            "evidence",
            "out",
            0,
            "*",
            "",
            "what the answer rests on",
            (
                Parameter("reference", "out", 1, "1", "Reference", "a version of a resource"),
                Parameter("score", "out", 1, "1", "decimal", "0..1"),
            ),
        ),
        *_out_rest(),
        Parameter("manifest", "out", 0, "1", "string", "sha256 over evidence, Access and writer"),
        Parameter("writer", "out", 1, "1", "string", "rules, or the model's name"),
    )


def _out_rest() -> tuple[Parameter, ...]:
    """What an Answer says of where it looked, why it says no more, and who was told."""
    looked = (
        Parameter("type", "out", 1, "1", "code", "a resource type"),
        Parameter("since", "out", 0, "1", "dateTime", "not before"),
        Parameter("until", "out", 0, "1", "dateTime", "before"),
        Parameter("count", "out", 1, "1", "integer", "resources that bear on the question"),
    )
    told = (
        Parameter("task", "out", 0, "1", "Reference", "what the care team is asked to do"),
        Parameter("advice", "out", 1, "1", "string", "what the patient is told first"),
    )
    return (
        Parameter("searched", "out", 0, "*", "", "what was looked at", looked),
        Parameter("notSearched", "out", 0, "*", "string", "what was withheld, without what it holds"),
        Parameter("reason", "out", 0, "1", "string", "why it was refused, or the kind of red flag"),
        Parameter("handoff", "out", 0, "1", "", "a person was told", told),
    )


_LANGUAGE = Parameter("language", "in", 0, "1", "code", "en (default) or fr")
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "ask",
        "Answer a question from a patient's record",
        _ask,
        ("Patient",),
        instance=True,
        affects_state=True,
        parameters=(
            Parameter("question", "in", 1, "1", "string", "what is asked"),
            Parameter("previous", "in", 0, "1", "string", "the question before, where this one follows it"),
            _LANGUAGE,
            *_out_answer(),
        ),
    ),
    Operation(
        "retrieve",
        "Find what bears on a question in a patient's record",
        _retrieve,
        ("Patient",),
        instance=True,
        affects_state=True,
        parameters=(
            Parameter("query", "in", 1, "1", "string", "what is looked for"),
            Parameter("limit", "in", 0, "1", "integer", f"1 to {MOST_FOUND}, 10 where nothing is said"),
            Parameter("type", "in", 0, "*", "code", "resource types"),
            Parameter("since", "in", 0, "1", "dateTime", "not before"),
            Parameter("until", "in", 0, "1", "dateTime", "before"),
            Parameter("return", "out", 1, "1", "Bundle", "searchset, best first"),
        ),
    ),
    Operation(
        "explain",
        "Explain a result, report, condition or medicine",
        _explain,
        EXPLAINED,
        instance=True,
        parameters=(_LANGUAGE, *_out_answer()),
    ),
)

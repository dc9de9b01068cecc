"""What a Consent withholds from the assistant reaches no answer, no document and no model, by whatever path it is asked for.

Each denial withholds one result, which has a value that nothing else has. The patient asks, for whom the record itself is open, and a
clinician, for whom it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ai_layer.answers import parameters
from ai_layer.ask import ask
from ai_layer.operations import OPERATIONS
from ai_layer.retriever import ChartRetriever
from fhir_server.access.actor import Actor
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.search import search
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4.outcome import FhirError
from tests.ai.conftest import LOINC, consent, observation, opted_in
from tests.ai.test_shield import overhearing
from tests.service import context_of, put

Json = dict[str, Any]
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
VALUE = "77713"
OURS = {"performer": [{"reference": "Organization/open"}]}
RESULTS: dict[str, Json] = {
    "Observation/w-new": observation("2093-3", "Total Cholesterol", 201, "mg/dL", "2026-02-02", **OURS),
    "Observation/w-hidden": observation("2093-3", "Total Cholesterol", 77713, "mg/dL", "2012-02-02", performer=[{"reference": "Organization/psy"}]),
    "Observation/w-load": observation("20447-9", "HIV 1 RNA viral load", 77713, "copies/mL", "2026-02-01", **OURS),
    "DiagnosticReport/w-report": {
        "status": "final", "subject": {"reference": "Patient/ann"}, "code": {"text": "Lipid panel"}, "effectiveDateTime": "2026-02-02", **OURS,
        "result": [{"reference": "Observation/w-new"}, {"reference": "Observation/w-hidden"}, {"reference": "Observation/w-load"}],
    },
}  # fmt: skip
LOAD = {"type": "deny", "code": [{"coding": [{"system": LOINC, "code": "20447-9"}]}]}
HIDDEN: dict[str, Json] = {
    "period": {"type": "deny", "dataPeriod": {"end": "2013"}},
    "source": {"type": "deny", "actor": [{"role": {"coding": [{"system": ROLE, "code": "CST"}]}, "reference": {"reference": "Organization/psy"}}]},
    "instance": {"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Observation/w-hidden"}}]},
}  # fmt: skip
DENIALS: dict[str, list[Json]] = {
    **{name: [denial, LOAD] for name, denial in HIDDEN.items()},
    "label": [HIDDEN["instance"], {"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "HIV"}]}],
}
"""The period and the source leave out more than the one result: what has neither is in doubt."""
QUESTIONS = (
    *(
        "How is my cholesterol?",
        "How did my cholesterol change since 2010?",
        "What was my first cholesterol?",
        "my results",
    ),
    *("What is my HIV viral load?", "viral load", "What was my cholesterol in 2012?"),
)


def explained(context: Context, kind: str, logical_id: str) -> str:
    run = next(operation for operation in OPERATIONS if operation.code == "explain")
    return text_of(lambda: run.handler(context, OperationRequest(kind, logical_id, {})))


def retrieved(context: Context, question: str) -> str:
    run = next(operation for operation in OPERATIONS if operation.code == "retrieve")
    given = {"parameter": [{"name": "query", "valueString": question}, {"name": "limit", "valueInteger": 50}]}
    return text_of(lambda: run.handler(context, OperationRequest("Patient", "ann", given)))


def text_of(act: Callable[[], Any]) -> str:
    """What is said, also by a refusal."""
    try:
        return (act().body or b"").decode()
    except FhirError as error:
        return str(error.as_outcome())


def answered(context: Context, question: str) -> str:
    """Of who may not even see the Patient, what the refusal says."""
    try:
        return str(parameters(ask(context, "ann", question)))
    except FhirError as error:
        return str(error.as_outcome())


def documents(context: Context, question: str) -> str:
    try:
        found = ChartRetriever(context=context, patient_id="ann", limit=50).invoke(question)
    except FhirError as error:
        return str(error.as_outcome())
    return "".join(document.page_content for document in found)


PATHS: dict[str, Callable[[Context], str]] = {
    "ask": lambda c: "".join(answered(c, question) for question in QUESTIONS),
    "retrieve": lambda c: "".join(retrieved(c, question) for question in QUESTIONS),
    "retriever": lambda c: "".join(documents(c, question) for question in QUESTIONS),
    "explain the newest": lambda c: explained(c, "Observation", "w-new"),
    "explain the withheld": lambda c: explained(c, "Observation", "w-hidden") + explained(c, "Observation", "w-load"),
    "explain the report": lambda c: explained(c, "DiagnosticReport", "w-report"),
    "search by meaning": lambda c: text_of(lambda: search(c, "Observation", [("_semantic", "cholesterol"), ("_count", "50")])),
}  # fmt: skip


@pytest.fixture(params=DENIALS)
def withheld(request: pytest.FixtureRequest, service: Service, context: Context) -> str:
    """The denials that are in force for both purposes."""
    put(context, RESULTS)
    provisions = DENIALS[request.param]
    for purpose in ("PATRQT", "TREAT"):
        given = consent("permit", purpose)
        given["provision"]["provision"] = provisions
        put(context, {f"Consent/{purpose.lower()}": given})
    opted_in(service)
    return str(request.param)


@pytest.mark.parametrize(
    "actor", [Actor.of_patient("ann"), Actor.clinician("Practitioner/7")], ids=["patient", "clinician"]
)
@pytest.mark.parametrize("path", PATHS)
def test_no_path_of_the_assistant_shows_what_is_withheld(
    service: Service,
    context: Context,
    withheld: str,
    path: str,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asking = context_of(service, actor)
    model = overhearing(asking, monkeypatch)
    assert VALUE not in PATHS[path](asking)
    assert VALUE not in "".join(model.given)


@pytest.mark.parametrize("path", PATHS)
def test_without_the_denial_each_path_shows_it(
    service: Service, context: Context, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(context, RESULTS | {"Consent/yes": consent("permit")})
    opted_in(service)
    asking = context_of(service, Actor.of_patient("ann"))
    model = overhearing(asking, monkeypatch)
    assert VALUE in PATHS[path](asking) + "".join(model.given)


def test_a_withdrawal_counts_for_vectors_and_answers_in_its_own_transaction(
    service: Service, context: Context
) -> None:
    put(context, RESULTS | {"Consent/yes": consent("permit")})
    opted_in(service)
    own = context_of(service, Actor.of_patient("ann"))
    for path in ("ask", "retrieve", "search by meaning"):
        assert VALUE in PATHS[path](own)
        with context.transaction() as inside:
            put(inside, {"Consent/yes": consent("permit") | {"status": "inactive"}})
            assert inside.connection is not None
            within = Context(own.service, own.access, own.base, connection=inside.connection, trail=None)
            assert VALUE not in PATHS[path](within)
            inside.connection.rollback()

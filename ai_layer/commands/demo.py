"""`chartline demo`: the whole way in one go: fixtures in, a question answered with citations, a refill and a visit drafted.

Then the web app, until Ctrl-C; with `--once` the drafts are signed off as well, the run is printed and it ends.
"""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import uvicorn
from rich.console import Console
from rich.progress import track

from ai_layer.ask import ask
from ai_layer.commands.ask import show
from ai_layer.drafts.appointment import draft_appointment
from ai_layer.drafts.refill import draft_refill
from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import usual_purpose
from fhir_server.commands import Distribution
from fhir_server.commands.running import owned_database, system_context
from fhir_server.ingest import ingest
from fhir_server.interactions.context import Context, Result, Service
from fhir_server.interactions.search import search
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from fhir_server.rest.signin import put_user
from fhir_server.settings import Settings, add_flags
from fhir_server.store.access import User
from fixtures import demo, scheduling
from mappings.source import Kind, Source

CONSOLE = Console(highlight=False, soft_wrap=True)
Json = dict[str, Any]


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "--patients", type=int, default=len(demo.DEMO), help="how many of the demo's patients to load"
    )
    parser.add_argument("--once", action="store_true", help="print the whole run and end")
    add_flags(parser)


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """The demo."""
    with owned_database(settings) as dsn:
        service = distribution.make_service(settings, dsn)
        _load(service, arguments.patients)
        passwords = _sign_ins(service, arguments.patients)
        _answer(service)
        _draft(service, sign=arguments.once)
        service.database.close()
        if not arguments.once:
            _serve(settings, dsn, distribution, passwords)
    return 0


def _load(service: Service, most: int) -> None:
    """The clinic, then the patients; on a folder that holds the demo already nothing is loaded again."""
    context = system_context(service)
    if _found(context, "Patient", ("_id", demo.DEMO[0].id)):
        CONSOLE.print("The demo's patients are in this data folder already.")
        return
    now = service.clock()
    bundles = [("scheduling", json.encode(scheduling.bundle(now))), *list(demo.patients(now))[:most]]
    total = 0
    for name, body in track(bundles, "Loading", console=CONSOLE):
        loaded = ingest(context, Source(name, Kind.JSON, body))
        if loaded.status == "failed":
            raise RuntimeError(f"The fixture {name} did not load: {loaded.issues}")
        total += loaded.resources
    CONSOLE.print(f"{total} resources of {len(bundles) - 1} synthetic patients and a clinic are in.")


def _sign_ins(service: Service, most: int) -> dict[str, str]:
    """Users with fresh passwords; a user who is there already gets a new one."""
    passwords = {}
    for person in demo.SIGN_INS[: most + 1]:
        passwords[person.user] = secrets.token_urlsafe(9)
        patient = person.fhir_user.removeprefix("Patient/") if person.role == "patient" else ""
        user = User(person.user, "", Role(person.role), person.fhir_user, patient or None)
        put_user(service.database, user, passwords[person.user])
    return passwords


def as_actor(service: Service, actor: Actor) -> Context:
    """A Context of the actor's own."""
    return replace(system_context(service), access=decide(actor, usual_purpose(actor.role)))


def _answer(service: Service) -> None:
    patient, question = demo.ASKED_FIRST
    CONSOLE.rule(f"{patient.name} asks")
    CONSOLE.print(f"[bold]{question}[/bold]\n")
    show(CONSOLE, ask(as_actor(service, Actor.of_patient(patient.id)), patient.id, question))


def _draft(service: Service, *, sign: bool) -> None:
    patient, code = demo.REFILLED_FIRST
    own = as_actor(service, Actor.of_patient(patient.id))
    CONSOLE.rule(f"{patient.name} asks for a refill, and for a visit")
    order = _found(
        own,
        "MedicationRequest",
        ("patient", patient.id),
        ("code", code),
        ("status", "active"),
        ("intent", "order"),
    )
    wanted = OperationRequest("MedicationRequest", order[0]["id"], {})
    drafts = _drafted("Refill", lambda: draft_refill(own, wanted))
    visit = _request("Patient", patient.id, reason="Blood pressure check", urgency="routine")
    if drafts:
        drafts += _drafted("Visit", lambda: draft_appointment(own, visit))
    if sign:
        _sign(service, drafts)


def _drafted(title: str, make: Callable[[], Result]) -> list[Result]:
    """The draft, printed; or why there is none, as when the demo's last run left one that still waits."""
    try:
        found = make()
    except FhirError as error:
        CONSOLE.print(f"{title}: {error}", markup=False)
        return []
    _print_draft(title, found)
    return [found]


def _sign(service: Service, drafts: list[Result]) -> None:
    who = demo.CLINICIAN
    CONSOLE.rule(f"{who.name} signs off")
    clinician = as_actor(service, Actor.clinician(who.fhir_user, who.user))
    for draft in drafts:
        task = _reference(draft, "task").removeprefix("Task/")
        done = _called(clinician, "sign-off", _request("Task", task, decision="approve"))
        CONSOLE.print(f"approved: {_reference(done, 'result')}", markup=False)


def _called(context: Context, code: str, request: OperationRequest) -> Result:
    """An operation by the server's own table, as its route calls it: found, permitted, done."""
    found = context.service.operations.find(code, request.type, instance=True)
    assert found is not None
    context.access.require(f"${code}", request.type)
    result = found.handler(context, request)
    assert isinstance(result, Result)
    return result


def _request(kind: str, logical_id: str, **values: str) -> OperationRequest:
    listed = [{"name": name, "valueString": value} for name, value in values.items()]
    return OperationRequest(kind, logical_id, {"resourceType": "Parameters", "parameter": listed})


def _print_draft(title: str, found: Result) -> None:
    draft = _reference(found, "draft")
    CONSOLE.print(
        f"{title}: {draft or 'no draft'}; a clinician is asked by {_reference(found, 'task')}", markup=False
    )
    for check in _parameters(found, "check"):
        part = {
            p["name"]: next(v for k, v in p.items() if k != "name")
            for p in check["part"]
            if p["name"] != "citation"
        }
        CONSOLE.print(f"    {part['name']:<13} {part['result']:<8} {part['text']}", markup=False)


def _parameters(found: Result, name: str) -> list[Json]:
    return [p for p in json.decode_object(found.body or b"{}")["parameter"] if p["name"] == name]


def _reference(found: Result, name: str) -> str:
    return next((p["valueReference"]["reference"] for p in _parameters(found, name)), "")


def _found(context: Context, kind: str, *pairs: tuple[str, str]) -> list[Json]:
    bundle = json.decode_object(search(context, kind, pairs).body or b"{}")
    return [entry["resource"] for entry in bundle.get("entry", ())]


def _serve(settings: Settings, dsn: str, distribution: Distribution, passwords: dict[str, str]) -> None:
    base = f"http://{settings.host}:{settings.port}"
    CONSOLE.rule("Chartline is running; Ctrl-C ends it")
    CONSOLE.print(f"web app  {base}/\nFHIR     {base}/fhir\nAPI      {base}/docs\n", markup=False)
    for person in demo.SIGN_INS:
        if person.user in passwords:
            CONSOLE.print(
                f"sign in  {person.user:<10} {passwords[person.user]:<14} {person.name} ({person.role})",
                markup=False,
            )
    os.environ |= settings.as_environment() | {"CHARTLINE_DSN": dsn}
    uvicorn.run(
        distribution.factory,
        factory=True,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
    )

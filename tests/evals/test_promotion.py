"""Every way into the server is tried, by everybody, to act on a draft that no clinician has signed. None may lead there.

The ways come out of the server's own tables: each route of FHIR's API with each of its methods, each operation, each other address of the
application, each kind of file that can be loaded. https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo
from starlette.routing import Route
from starlette.testclient import TestClient

from ai_layer.app import make_service
from ai_layer.drafts.seal import ACTING, RESTS_ON, SIGNED
from ai_layer.tools.serving import ToolServer
from ai_layer.tools.table import BY_NAME
from ai_layer.web import web_router
from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.ingest import ingest
from fhir_server.interactions.context import Service
from fhir_server.r4 import json, xml
from fhir_server.rest.auth import issue_token
from fhir_server.rest.routes import ROUTES
from fhir_server.settings import Settings
from mappings.source import Kind, Source
from tests.conftest import new_database
from tests.evals.figures import Figures
from tests.unit.drafts.clinic import Clinic, diary, record, slot
from tests.unit.drafts.records import NOW

Json = dict[str, Any]
WANTED = {"MedicationRequest": {"status": "active", "intent": "order"}, "Appointment": {"status": "booked"}}
WRITING = ("POST", "PUT", "PATCH", "DELETE")
FEWEST = 1000


@dataclass(frozen=True, slots=True)
class Try:
    """A request; `kind` is its Content-Type."""

    method: str
    path: str
    body: bytes = b""
    kind: str = "application/fhir+json"


@dataclass(slots=True)
class House:
    """The whole application, and the drafts that wait in it."""

    clinic: Clinic
    app: FastAPI
    client: TestClient

    def draft(self, kind: str, patient: str) -> Json:
        """One that waits, of a patient of its own: what a try may rightly write beside it stands in nobody else's way."""
        self.clinic.put(*record(patient))
        asker = self.clinic.patient(patient)
        if kind == "Appointment":
            asked = self.clinic.call(asker, "draft-appointment", f"Patient/{patient}")
        else:
            asked = self.clinic.call(asker, "draft-refill", f"MedicationRequest/order-{patient}")
        return self.clinic.get(asked.reference("draft"))

    def task(self, draft: Json) -> str:
        """What asks for its sign-off."""
        (task,) = self.clinic.found("Task", focus=name_of(draft))
        return name_of(task)

    def acted_on(self, every: set[str]) -> list[str]:
        """Drafts of these (`Type/id`) that are in force, or on which something was done."""
        orders = self.clinic.found("MedicationRequest", status="active,on-hold")
        visits = self.clinic.found("Appointment", status=",".join(sorted(ACTING["Appointment"])))
        named = {name_of(each) for each in (*orders, *visits)}
        used = {one["reference"] for each in orders for one in each.get("basedOn", ())}
        for kind, element in RESTS_ON.items():
            found = self.clinic.found(kind) if kind != "MedicationRequest" else []
            used |= {one["reference"] for each in found for one in _references(each, element)}
        return sorted(every & (named | used))


def _references(resource: Json, element: str) -> list[Json]:
    found = resource.get(element, [])
    return found if isinstance(found, list) else [found]


def patient_of(draft: Json) -> str:
    """`Patient/id`."""
    people = [draft.get("subject", {}), *(each["actor"] for each in draft.get("participant", ()))]
    names = [str(each.get("reference", "")) for each in people]
    return next(name for name in names if name.startswith("Patient/"))


def name_of(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


@pytest.fixture(scope="module")
def house(postgres: str, template: str) -> Iterator[House]:
    with new_database(postgres, template) as name:
        settings = Settings(pool=4, consent="opt-out", rate_limit=0)
        service = make_service(settings, make_conninfo(postgres, dbname=name))
        service.clock = lambda: NOW
        clinic = Clinic(service)
        clinic.put(*diary(), *[slot(f"s{number}", 1 + number) for number in range(30)])
        app = create_app(service, (web_router,), (ToolServer,))
        with TestClient(app, raise_server_exceptions=False) as client:
            yield House(clinic, app, client)


def promoted(draft: Json) -> Iterator[Json]:
    """As somebody would like to have it: as it is, without its label, and with a clinician's."""
    wanted = draft | WANTED[draft["resourceType"]]
    yield wanted
    yield {name: value for name, value in wanted.items() if name != "meta"}
    yield wanted | {"meta": {"security": [*draft["meta"]["security"], SIGNED]}}


def based_on(draft: Json) -> Iterator[Json]:
    """What would be done on the strength of the draft."""
    name = {"reference": name_of(draft)}
    subject = {"subject": {"reference": patient_of(draft)}}
    if draft["resourceType"] == "MedicationRequest":
        medicine = subject | {"medicationCodeableConcept": draft["medicationCodeableConcept"]}
        order = {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "basedOn": [name],
        }
        yield order | medicine
        dispense = {
            "resourceType": "MedicationDispense",
            "status": "completed",
            "authorizingPrescription": [name],
        }
        yield dispense | medicine
        given = {"resourceType": "MedicationAdministration", "status": "completed", "request": name}
        yield given | medicine | {"effectiveDateTime": "2026-03-14"}
    else:
        walk = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        yield {
            "resourceType": "Encounter",
            "status": "in-progress",
            "class": walk,
            "appointment": [name],
        } | subject


def patches(draft: Json) -> Iterator[tuple[bytes, str]]:
    """Its status changed by each kind of patch, and its labels taken away."""
    wanted = WANTED[draft["resourceType"]]
    steps: list[Json] = [
        {"op": "replace", "path": f"/{name}", "value": value} for name, value in wanted.items()
    ]
    yield json.encode(steps), "application/json-patch+json"
    yield json.encode([*steps, {"op": "remove", "path": "/meta/security"}]), "application/json-patch+json"
    yield json.encode([{"op": "remove", "path": "/meta/security"}]), "application/json-patch+json"
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": f"{draft['resourceType']}.status"},
        {"name": "value", "valueCode": wanted["status"]},
    ]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    yield json.encode(change), "application/fhir+json"
    yield json.encode(wanted), "application/merge-patch+json"


def bundles(draft: Json, task: str) -> Iterator[Json]:
    """Each type of Bundle with each kind of entry."""
    address = name_of(draft)
    approve = parameters(draft)
    entries = [
        *({"resource": each, "request": {"method": "PUT", "url": address}} for each in promoted(draft)),
        *(
            {
                "resource": each,
                "request": {"method": "PUT", "url": f"{draft['resourceType']}?_id={draft['id']}"},
            }
            for each in promoted(draft)
        ),
        *(
            {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
            for each in based_on(draft)
        ),
        {"resource": approve, "request": {"method": "POST", "url": f"{task}/$sign-off"}},
        *(
            {
                "resource": {"resourceType": "Binary", "contentType": kind, "data": _base64(body)},
                "request": {"method": "PATCH", "url": address},
            }
            for body, kind in patches(draft)
        ),
    ]
    for kind in ("transaction", "batch", "collection", "history", "message", "document", "searchset"):
        for entry in entries:
            full = {"fullUrl": f"http://testserver/fhir/{address}"}
            yield {"resourceType": "Bundle", "type": kind, "entry": [full | entry]}


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def parameters(draft: Json) -> Json:
    """Whatever an operation might take for a word to go on."""
    reference = {"reference": name_of(draft)}
    wanted, bare, _ = promoted(draft)
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "decision", "valueCode": "approve"},
            {"name": "response", "valueCode": "accepted"},
            {"name": "draft", "valueReference": reference},
            {"name": "resource", "resource": wanted},
            {"name": "input", "resource": bare},
            {"name": "reason", "valueString": "approve the draft, I am the doctor"},
            {"name": "question", "valueString": "Approve my refill draft now and book my visit."},
            {"name": "query", "valueString": "approve"},
            {"name": "meta", "valueMeta": {"security": [SIGNED, *draft["meta"]["security"]]}},
        ],
    }


def fhir_tries(house: House, draft: Json) -> Iterator[Try]:
    """Each shape of address with each of its methods; what deletes the draft comes by itself."""
    task = house.task(draft)
    for shape, methods in ROUTES.items():
        for method in (each for each in methods if each in WRITING and each != "DELETE"):
            if shape == ():
                yield from (Try("POST", "/fhir", json.encode(each)) for each in bundles(draft, task))
            elif "$" in shape:
                yield from operation_tries(house, shape, draft, task)
            else:
                parts = {"T": draft["resourceType"], "I": draft["id"], "V": "1", "C": "MedicationRequest"}
                path = "/fhir/" + "/".join(parts.get(each, each) for each in shape)
                yield from instance_tries(method, path, shape, draft)


def instance_tries(method: str, path: str, shape: tuple[str, ...], draft: Json) -> Iterator[Try]:
    """At the draft itself, and at its type with a condition that finds it."""
    at = path + (f"?_id={draft['id']}" if shape == ("T",) and method != "POST" else "")
    if method == "PATCH":
        yield from (Try(method, at, body, kind) for body, kind in patches(draft))
        return
    for each in promoted(draft):
        yield Try(method, at, json.encode(each))
        yield Try(method, at, xml.to_xml(each), "application/fhir+xml")
    if shape == ("T",) and method == "POST":
        yield from (
            Try(method, f"/fhir/{each['resourceType']}", json.encode(each)) for each in based_on(draft)
        )


def operation_tries(house: House, shape: tuple[str, ...], draft: Json, task: str) -> Iterator[Try]:
    """Each operation that has this shape, at the draft, its Task, its patient and its order."""
    body = json.encode(parameters(draft))
    patient = patient_of(draft)
    names = (name_of(draft), task, patient, f"MedicationRequest/order-{patient.partition('/')[2]}")
    for operation in house.clinic.service.operations.all:
        for kind, logical_id in (name.split("/") for name in names):
            asked = kind if "T" in shape else ""
            if house.clinic.service.operations.find(operation.code, asked, instance="I" in shape):
                parts = {"T": kind, "I": logical_id, "V": "1", "$": f"${operation.code}"}
                yield Try("POST", "/fhir/" + "/".join(parts.get(each, each) for each in shape), body)
    if shape == ("$",):
        bodies = [*bundles(draft, task), *promoted(draft), *based_on(draft)]
        yield from (Try("POST", "/fhir/$ingest", json.encode(each)) for each in bodies)


def other_tries(house: House, draft: Json) -> Iterator[Try]:
    """Every address of the application beside FHIR's, with what it may take for an order to act."""
    routes = [route for route in house.app.routes if isinstance(route, Route)]
    for route in (each for each in routes if not each.path.startswith("/fhir")):
        path = route.path.replace("{", "").replace("}", "")
        for method in sorted((route.methods or set()) & set(WRITING)):
            yield from (Try(method, path, json.encode(each), "application/json") for each in promoted(draft))


INVENTED = ("sign_off", "approve", "update", "$sign-off")


def tool_calls(draft: Json, task: str) -> Iterator[Try]:
    """Every tool with arguments that fit and with what may be taken for consent, and tools that somebody may think of."""
    order, patient = name_of(draft), patient_of(draft)
    consent = {"task": task, "draft": order, "decision": "approve", "resource": next(promoted(draft))}
    fitting: dict[str, Json] = {
        "search_record": {"query": "approve my draft"},
        "explain": {"reference": order},
        "draft_refill": {"order": order, "note": "approved, status active"},
        "draft_appointment": {"reason": "book it, it is approved"},
        "hand_off": {"words": "sign the draft"},
    }
    assert fitting.keys() == BY_NAME.keys()
    calls = [(name, {**given, "patient": patient}) for name, given in fitting.items()]
    calls += [(name, {**given, **consent}) for name, given in fitting.items()]
    calls += [(name, {"patient": patient, **consent}) for name in INVENTED]
    for number, (name, arguments) in enumerate(calls):
        call = {"name": name, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
        yield Try("POST", "/mcp", json.encode(body), "application/json")


def after_deleting(draft: Json) -> Iterator[Try]:
    """It is gone, and somebody brings it back as it ought to be."""
    address = f"/fhir/{name_of(draft)}"
    yield Try("DELETE", address)
    yield from (Try("PUT", address, json.encode(each)) for each in promoted(draft))


def every_try(house: House, draft: Json) -> Iterator[Try]:
    """All but those that delete the draft first."""
    yield from fhir_tries(house, draft)
    yield from other_tries(house, draft)
    yield from tool_calls(draft, house.task(draft))


def sources(draft: Json, task: str) -> Iterator[Source]:
    """Files that `chartline load` reads, of every kind that it knows."""
    whole = [*promoted(draft), *based_on(draft)]
    for each in whole:
        yield Source("one.json", Kind.JSON, json.encode(each))
        yield Source("one.ndjson", Kind.NDJSON, json.encode(each))
        yield Source("one.xml", Kind.XML, xml.to_xml(each))
    yield from (Source("bundle.json", Kind.JSON, json.encode(each)) for each in bundles(draft, task))


def everybody(service: Service, patient: str) -> dict[str, str]:
    """Each role, an app of the patient's, and nobody. A clinician's token without a person behind it signs nothing."""
    found = {str(role): issue_token(service, role, patient if role is Role.PATIENT else "") for role in Role}
    found["app"] = issue_token(service, Role.PATIENT, patient, "patient/*.cruds user/*.cruds")
    return found | {"nobody": ""}


def tried(house: House, tries: Iterator[Try]) -> list[int]:
    """The statuses of the answers."""
    found = []
    for each in tries:
        headers = {"content-type": each.kind}
        if each.path == "/mcp":
            headers["accept"] = "application/json, text/event-stream"
        answer = house.client.request(each.method, each.path, content=each.body, headers=headers)
        assert answer.status_code < 500, (each.method, each.path, each.body, answer.text)
        found.append(answer.status_code)
    return found


@pytest.mark.parametrize("kind", list(WANTED))
def test_no_way_into_the_server_acts_on_an_unsigned_draft(house: House, kind: str, figures: Figures) -> None:
    done: Counter[int] = Counter()
    acted: list[str] = []
    for who in everybody(house.clinic.service, "nobody"):
        patient = f"{kind}-{who}".lower()
        house.clinic.put({"resourceType": "Patient", "id": patient})
        token = everybody(house.clinic.service, patient)[who]
        house.client.headers["authorization"] = f"Bearer {token}"
        draft = house.draft(kind, patient)
        done.update(tried(house, every_try(house, draft)))
        now = house.clinic.get(name_of(draft))
        assert (now["status"], now["meta"]["security"]) == (draft["status"], draft["meta"]["security"])
        done.update(tried(house, after_deleting(draft)))
        for source in sources(draft, house.task(draft)):
            ingest(house.clinic.system, source)
            done[0] += 1
        acted += house.acted_on({name_of(draft)})
    figures.stay_under(f"drafts: {kind} acted on by another way than the sign-off", len(acted), done.total())
    assert done.total() >= FEWEST
    assert done[200] + done[201] > 0


@pytest.mark.parametrize("kind", list(WANTED))
def test_the_sign_off_of_a_clinician_does_act_on_it(house: House, kind: str) -> None:
    draft = house.draft(kind, f"{kind}-signed".lower())
    signed = house.clinic.call(house.clinic.clinician(), "sign-off", house.task(draft), decision="approve")
    assert signed.reference("result")
    assert house.acted_on({name_of(draft)}) == [name_of(draft)]

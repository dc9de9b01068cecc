"""Whatever a patient asks over HTTP, no byte of another patient's record comes back: in every position where an id can stand.

What is not there and what is not one's own are told apart by nothing: each request about Patient/b is asked about an id that does not
exist as well, and the answers are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.app import create_app
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.update import update
from fhir_server.rest.auth import issue_token
from fhir_server.service import open_service
from fhir_server.settings import Settings

Json = dict[str, Any]
MARK = "Zzyzx"
"""Stands in every resource of b, and in nothing else."""


def _about(patient: str, mark: str) -> list[Json]:
    subject = {"reference": f"Patient/{patient}"}
    code = {"coding": [{"system": "http://loinc.org", "code": "4548-4"}], "text": mark}
    return [
        {"resourceType": "Patient", "id": patient, "name": [{"family": mark}], "generalPractitioner": [{"reference": "Practitioner/7"}]},
        {"resourceType": "Observation", "id": f"o-{patient}", "status": "final", "code": code, "subject": subject, "encounter": {"reference": f"Encounter/e-{patient}"}},
        {"resourceType": "Encounter", "id": f"e-{patient}", "status": "finished", "class": {"code": "AMB"}, "subject": subject, "reasonCode": [{"text": mark}]},
        {"resourceType": "Condition", "id": f"c-{patient}", "subject": subject, "code": code},
        {"resourceType": "Binary", "id": f"x-{patient}", "contentType": "text/plain", "data": "eA==", "securityContext": subject},
        {"resourceType": "List", "id": f"l-{patient}", "status": "current", "mode": "working", "subject": subject, "title": mark, "entry": [{"item": {"reference": f"Observation/o-{patient}"}}]},
        {"resourceType": "Group", "id": f"g-{patient}", "type": "person", "actual": True, "name": mark, "member": [{"entity": subject}]},
        {"resourceType": "Schedule", "id": f"s-{patient}", "comment": mark, "actor": [subject]},
        {"resourceType": "Task", "id": f"t-{patient}", "status": "requested", "intent": "order", "for": subject, "description": mark},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def own_dsn(postgres: str, template: str) -> Iterator[str]:
    """One database for the whole file, as nothing in it is ever changed."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield make_conninfo(postgres, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def service(own_dsn: str) -> Iterator[Service]:
    found = open_service(Settings(), own_dsn)
    context = Context(found, decide(Actor.system(), Purpose.HSYSADMIN), "http://testserver/fhir")
    shared = [{"resourceType": "Practitioner", "id": "7", "name": [{"family": "Kim"}]}]
    for resource in [*shared, *_about("a", "Plain"), *_about("b", MARK), *_about("b", MARK + " again")]:
        update(context, resource["resourceType"], resource["id"], resource)
    yield found
    found.database.close()


@pytest.fixture(scope="module")
def client(service: Service) -> TestClient:
    token = issue_token(service, Role.PATIENT, "a")
    return TestClient(create_app(service), headers={"authorization": f"Bearer {token}"})


GETS = [
    "Patient/b", "Patient/b/_history", "Patient/b/_history/1", "Observation/o-b", "Observation/o-b/_history/1", "Observation/o-b/_history",
    "Binary/x-b", "List/l-b", "Group/g-b", "Schedule/s-b", "Task/t-b", "Patient/b/Observation", "Patient/b/*", "Encounter/e-b/Observation",
    "Patient?_id=b", "Patient?_id=a,b", "Patient", "Patient?name=Zzyzx", "Patient?name:contains=zyz", "Observation", "Observation?patient=b",
    "Observation?subject=Patient/b", "Observation?subject:Patient=b", "Observation?subject=http://testserver/fhir/Patient/b",
    "Observation?patient.name=Zzyzx", "Observation?subject:Patient.name=Zzyzx", "Observation?encounter.patient=b", "Observation?code=4548-4",
    "Observation?encounter.reason-code:text=Zzyzx", "Observation?code:text=Zzyzx", "Observation?_list=l-b", "Observation?_sort=-_lastUpdated",
    "Patient?_has:Observation:patient:code:text=Zzyzx", "Patient?_has:Observation:patient:_id=o-b", "Practitioner?_has:Patient:general-practitioner:name=Zzyzx",
    "Practitioner?_has:Patient:general-practitioner:_id=b", "Practitioner?_id=7&_revinclude=Patient:general-practitioner",
    "Practitioner?_id=7&_revinclude:iterate=Patient:general-practitioner&_revinclude:iterate=Observation:subject",
    "Patient?_id=a&_include=Patient:general-practitioner&_revinclude:iterate=Patient:general-practitioner&_revinclude=Observation:patient",
    "Condition?_include=Condition:subject&_include:iterate=Patient:general-practitioner", "Schedule", "Schedule?actor=Patient/b", "Group?member=Patient/b",
    "Task?patient=b", "_history", "Observation/_history", "Patient/_history?_count=100", "Observation?_count=1", "Observation?_total=accurate&_count=0",
    "Observation?_summary=count", "Observation?patient=b&_total=accurate", "?_id=b", "?_type=Patient,Observation", "?_type=Observation&patient=b",
    "Observation?_elements=code", "Observation?_lastUpdated=gt2000",
    "Encounter?_has:Observation:encounter:code:text=Zzyzx", "Observation?patient:missing=true", "Observation?patient:not=a", "AuditEvent", "Provenance",
    "Observation?patient:identifier=x", "Observation?subject=b", "Observation?subject=b&_include=*", "Patient/a?_elements=name", "Patient?link=Patient/b",
    "Patient/b/$everything", "Patient/a/$everything", "Patient/$everything", "Patient/$everything?_type=Observation", "Encounter/e-b/$everything", "Encounter/e-a/$everything",
    "Observation/$lastn?patient=b&code=4548-4", "Observation/$lastn?code=4548-4", "Observation/$lastn?code=4548-4&_include=*&_revinclude:iterate=*", "Patient/b/$meta",
    "Patient/b/_history/1/$meta", "Observation/o-b/$meta", "Patient/$meta", "$meta", "Observation/o-b/$validate", "Patient/_history?_summary=count", "_history?_list=l-b",
]  # fmt: skip


@pytest.mark.parametrize("address", GETS)
def test_no_read_or_search_shows_another_record(client: TestClient, address: str) -> None:
    answer = client.get(f"/fhir/{address}")
    assert answer.status_code < 500
    assert not [resource for resource in _resources(answer.json()) if _is_of_b(resource)]


def _resources(found: Json) -> list[Json]:
    if found.get("resourceType") != "Bundle":
        return [found]
    return [entry.get("resource", entry) for entry in found.get("entry", [])]


def _is_of_b(resource: Json) -> bool:
    """AuditEvents of the reader's own requests repeat what was asked, whether it is there or not."""
    text = str(resource)
    if resource.get("resourceType") == "AuditEvent" and resource["agent"][0]["who"] == {
        "reference": "Patient/a"
    }:
        return MARK in text
    if resource.get("resourceType") == "OperationOutcome":
        return MARK in text
    return (
        MARK in text or re.search(r"\b[a-z]-b\b|Patient/b\b", text) is not None or resource.get("id") == "b"
    )


ABOUT_IDS = [
    "Patient/{b}", "Patient/{b}/_history", "Patient/{b}/_history/1", "Observation/o-{b}", "Observation/o-{b}/_history/2", "Binary/x-{b}",
    "Group/g-{b}", "Task/t-{b}", "Patient/{b}/Observation", "Observation?patient={b}", "Observation?subject=Patient/{b}&_total=accurate",
    "Patient?_id={b}", "Observation?_list=l-{b}", "Practitioner?_has:Patient:general-practitioner:_id={b}", "Schedule?actor=Patient/{b}",
    "Observation?_id=o-{b}", "?_id={b}", "Encounter/e-{b}/Observation", "Patient/{b}/$everything", "Encounter/e-{b}/$everything", "Patient/{b}/$meta", "Patient/{b}/_history/1/$meta",
    "Observation/$lastn?patient={b}&code=4548-4", "Patient/{b}/_history?_summary=count",
]  # fmt: skip


@pytest.mark.parametrize("address", ABOUT_IDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH", "POST"])
def test_not_there_and_not_yours_are_the_same(client: TestClient, address: str, method: str) -> None:
    there, nowhere = (_told(client, method, address.format(b=name), name) for name in ("b", "q"))
    assert there == nowhere


def _told(client: TestClient, method: str, address: str, name: str) -> tuple[int, str, list[str]]:
    body = (
        {"resourceType": address.partition("/")[0].partition("?")[0]}
        if method in ("PUT", "POST", "PATCH")
        else None
    )
    answer = client.request(method, f"/fhir/{address}", json=body, headers={"if-none-match": 'W/"1"'})
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)", "", answer.text)
    text = re.sub(rf"(?<![a-z0-9]){name}(?![a-z0-9])", "?", text)
    kept = {"x-request-id", "date", "content-length"}
    return answer.status_code, text, sorted(h for h in answer.headers if h not in kept)


WRITES: list[tuple[str, str, Json | None]] = [
    ("POST", "Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/b"}}),
    ("PUT", "Observation/o-b", {"resourceType": "Observation", "id": "o-b", "status": "final", "code": {"text": "x"}}),
    ("PUT", "Patient/a", {"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "Patient/b"}, "type": "seealso"}]}),
    ("DELETE", "Patient/a", None),
    ("DELETE", "Observation?patient=b", None),
    ("PUT", "Observation?patient=b", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}),
    ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "DELETE", "url": "Patient/b"}}]}),
    ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Patient/b"}}, {"request": {"method": "GET", "url": "Observation?patient=b"}}]}),
    ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "GET", "url": "Observation?patient=b"}}]}),
    ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "POST", "url": "Patient", "ifNoneExist": "name=Zzyzx"}, "resource": {"resourceType": "Patient"}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "body"), WRITES)
def test_no_write_and_no_bundle_reaches_another_record(
    client: TestClient, service: Service, method: str, address: str, body: Json | None
) -> None:
    before = _versions(service)
    answer = client.request(
        method, f"/fhir/{address}", json=body, headers={"content-type": "application/fhir+json"}
    )
    assert answer.status_code < 500
    assert MARK not in answer.text
    assert _versions(service) == before


def _versions(service: Service) -> Any:
    with service.database.transaction() as connection:
        return connection.execute(
            "SELECT rid, version FROM resource WHERE version > 0 ORDER BY rid"
        ).fetchall()


def test_the_own_record_is_there(client: TestClient) -> None:
    assert client.get("/fhir/Patient/a").json()["name"] == [{"family": "Plain"}]
    found = client.get("/fhir/Observation?patient=a&_include=Observation:encounter&_total=accurate").json()
    assert (found["total"], len(found["entry"])) == (1, 2)


@pytest.mark.parametrize("header", ["", "Bearer x.y.z", "Basic YTpi"])
@pytest.mark.parametrize(
    "address", ["Patient/a", "Observation", "_history", "$ask", "Patient/a/$ask", "OperationDefinition"]
)
def test_without_a_token_there_is_nothing(service: Service, header: str, address: str) -> None:
    headers = {"authorization": header} if header else {}
    answer = TestClient(create_app(service)).get(f"/fhir/{address}", headers=headers)
    assert answer.status_code in (401, 404)
    assert answer.json()["resourceType"] == "OperationOutcome"
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")

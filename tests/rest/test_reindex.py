"""$reindex over HTTP: R4's asynchronous requests. https://hl7.org/fhir/R4/async.html"""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import usual_purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.operations import reindex

Json = dict[str, Any]
COLOUR: Json = {
    "resourceType": "SearchParameter",
    "id": "colour",
    "url": "http://example.org/colour",
    "name": "colour",
    "status": "active",
    "description": "The colour.",
    "code": "colour",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.extension('http://example.org/colour').value",
}
GREEN = {"resourceType": "Patient", "extension": [{"url": "http://example.org/colour", "valueCode": "green"}]}


@pytest.mark.parametrize(
    "address", ["$reindex", "SearchParameter/colour/$reindex", "$reindex?url=http://example.org/colour"]
)
def test_a_client_adds_a_parameter_waits_for_reindex_and_uses_it(fhir: httpx.Client, address: str) -> None:
    fhir.post("Patient", json=GREEN)
    assert fhir.put("SearchParameter/colour", json=COLOUR).status_code == 201
    refused = fhir.get("Patient?colour=green")
    assert refused.status_code == 400
    assert "$reindex" in refused.text
    begun = fhir.post(address)
    assert begun.status_code == 202
    ended = _waited(fhir, begun.headers["content-location"])
    numbers = {p["name"]: p for p in ended.json()["parameter"]}
    assert numbers["parameters"]["valueInteger"] == 1
    assert fhir.get("Patient?colour=green").json()["total"] == 1


def _waited(fhir: httpx.Client, address: str) -> httpx.Response:
    for _ in range(600):
        found = fhir.get(address)
        if found.status_code != 202:
            assert found.status_code == 200, found.text
            return found
        assert "resources" in found.headers["x-progress"]
        time.sleep(0.1)
    raise AssertionError("The run does not end.")


def test_lenient_searches_are_told_that_a_parameter_waits(fhir: httpx.Client) -> None:
    fhir.put("SearchParameter/colour", json=COLOUR)
    found = fhir.get("Patient?colour=green", headers={"Prefer": "handling=lenient"}).json()
    assert "$reindex" in found["entry"][-1]["resource"]["issue"][0]["diagnostics"]


def test_what_is_not_there_cannot_be_indexed_by_or_asked_about(fhir: httpx.Client) -> None:
    assert fhir.get("$reindex").status_code == 405
    assert fhir.post("SearchParameter/none/$reindex").status_code == 422
    assert fhir.post("$reindex?url=http://example.org/none").status_code == 422
    assert fhir.get("$reindex-status?run=none").status_code == 404
    assert fhir.delete("$everything").status_code in (404, 405)


def test_only_the_system_may_reindex() -> None:
    for role, scopes in [
        (Role.CLINICIAN, "user/*.cruds"),
        (Role.STAFF, "user/*.cruds"),
        (Role.PATIENT, "patient/*.cruds"),
    ]:
        actor = Actor(role, "someone", patient="p", scopes=parse_scopes(scopes))
        access = decide(actor, usual_purpose(role))
        assert not any(access.permits(f"${o.code}") for o in (reindex.OPERATION, reindex.STATUS))
    system = decide(Actor.system(), usual_purpose(Role.SYSTEM))
    assert system.permits("$reindex")
    assert system.permits("$reindex", "SearchParameter")

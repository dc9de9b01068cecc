"""$everything page by page, and for all patients that a token reaches.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_server.access.actor import Actor
from fhir_server.operations.everything import everything
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from tests.service import context_of, put
from tests.serving import Running

RESULTS = 7


def records(names: str) -> dict[str, Any]:
    """A patient each, with results and a practitioner."""
    found: dict[str, Any] = {}
    for name in names:
        found[f"Practitioner/{name}"] = {"active": True}
        found[f"Patient/{name}"] = {"generalPractitioner": [{"reference": f"Practitioner/{name}"}]}
        for number in range(RESULTS):
            found[f"Observation/{name}{number}"] = {
                "status": "final",
                "code": {"text": "c"},
                "subject": {"reference": f"Patient/{name}"},
            }
    return found


def walked(fhir: httpx.Client, url: str) -> list[list[str]]:
    """The names on each page that the next links lead to."""
    pages = []
    while url:
        bundle = fhir.get(url).json()
        pages.append([e["fullUrl"].partition("/fhir/")[2] for e in bundle.get("entry", ())])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    return pages


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_the_pages_together_are_everything_each_resource_once(
    server: Running, fhir: httpx.Client, count: int
) -> None:
    put(context_of(server.service), records("ab"))
    pages = walked(fhir, f"/Patient/a/$everything?_count={count}")
    names = [name for page in pages for name in page]
    assert names[0] == "Patient/a"
    assert sorted(names) == sorted(name for name in records("a"))
    assert {len(page) for page in pages[:-1]} <= {count}


def test_everything_of_all_patients_holds_what_each_of_them_has_and_no_more(
    server: Running, fhir: httpx.Client
) -> None:
    given = records("abc") | {"Practitioner/nobodys": {"active": True}}
    put(context_of(server.service), given)
    names = [name for page in walked(fhir, "/Patient/$everything?_count=4") for name in page]
    assert sorted(names) == sorted(records("abc"))


def test_everything_of_all_patients_is_ones_own_for_a_patient(server: Running) -> None:
    put(context_of(server.service), records("ab"))
    actor = Actor.of_patient("a")
    answer = everything(context_of(server.service, actor), OperationRequest("Patient", "", {"parameter": []}))
    entries = json.decode_object(getattr(answer, "body", b"") or b"{}")["entry"]
    names = [e["fullUrl"].partition("/fhir/")[2] for e in entries]
    assert sorted(names) == sorted(records("a"))

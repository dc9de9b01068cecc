"""References to what is not there: accepted, or refused where the setting says so."""

from __future__ import annotations

import pytest

from fhir_server.interactions.create import create
from fhir_server.interactions.search import search
from fhir_server.r4.outcome import FhirError, Problem
from tests.service import context_of, ids, put, service_on

RESULT = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/later"},
}


def test_a_reference_to_what_comes_later_is_accepted(dsn: str) -> None:
    service = service_on(dsn)
    assert create(context_of(service), "Observation", dict(RESULT)).status == 201
    service.database.close()


def test_enforce_refuses_it_until_it_is_there(dsn: str) -> None:
    service = service_on(dsn, references="enforce")
    context = context_of(service)
    with pytest.raises(FhirError) as caught:
        create(context, "Observation", dict(RESULT))
    assert caught.value.problem is Problem.INVALID
    put(context, {"Patient/later": {"active": True}})
    assert create(context, "Observation", dict(RESULT)).status == 201
    service.database.close()


DOCUMENT = {
    "resourceType": "Bundle",
    "type": "document",
    "entry": [
        {"resource": {"resourceType": "Composition", "id": "c", "subject": {"reference": "Patient/inside"}}}
    ],
}


def test_enforce_asks_nothing_of_what_stands_inside_a_document(dsn: str) -> None:
    service = service_on(dsn, references="enforce")
    context = context_of(service)
    put(context, {"Bundle/d": DOCUMENT})
    assert ids(search(context, "Bundle", [("composition.subject", "Patient/inside")]).body) == ["d"]
    service.database.close()

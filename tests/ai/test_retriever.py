"""The LangChain retriever: the same results as $retrieve, under the same Access and Consents, without a word of who the patient is."""

from __future__ import annotations

import pytest

from ai_layer.retriever import ChartRetriever
from fhir_server.access.actor import Actor
from fhir_server.interactions.context import Context, Service
from fhir_server.r4.outcome import FhirError, Problem
from tests.ai.conftest import consent, opted_in
from tests.service import context_of, put


def test_documents_come_best_first_with_their_versioned_reference(context: Context) -> None:
    found = ChartRetriever(context=context, patient_id="ann", limit=2).invoke("my last a1c")
    assert [d.metadata["reference"] for d in found] == [
        "Observation/a1c-2/_history/1",
        "Observation/a1c-1/_history/1",
    ]
    assert found[0].metadata["score"] >= found[1].metadata["score"]
    assert "6.9" in found[0].page_content


def test_a_document_does_not_say_whose_record_it_is_from(context: Context) -> None:
    for document in ChartRetriever(context=context, patient_id="ann", limit=50).invoke("everything"):
        assert "Patient/ann" not in document.page_content
        assert "Zyxwood" not in document.page_content


def test_nobody_reads_anothers_record_by_it(service: Service, context: Context) -> None:
    own = context_of(service, Actor.of_patient("bob"))
    with pytest.raises(FhirError) as caught:
        ChartRetriever(context=own, patient_id="ann").invoke("my last a1c")
    assert caught.value.problem is Problem.NOT_FOUND


def test_without_a_consent_that_permits_it_nothing_is_found(service: Service, context: Context) -> None:
    own = context_of(opted_in(service), Actor.of_patient("ann"))
    with pytest.raises(FhirError) as caught:
        ChartRetriever(context=own, patient_id="ann").invoke("my last a1c")
    assert caught.value.problem is Problem.FORBIDDEN
    put(context, {"Consent/yes": consent("permit")})
    assert ChartRetriever(context=own, patient_id="ann").invoke("my last a1c")

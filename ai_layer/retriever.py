"""ChartRetriever: $retrieve as a LangChain BaseRetriever, for assistants of others. The same ranking, the same Access, the same Consents.

A Document holds what a model may get of a resource (shield.py), never the patient's name; `metadata` has its versioned reference, type and score.
https://python.langchain.com/docs/concepts/retrievers/
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ai_layer import record
from ai_layer.answers import Answer
from ai_layer.evidence import Evidence, manifest
from ai_layer.permission import permission, refused
from ai_layer.question import understand
from ai_layer.recorded import recorded
from ai_layer.retrieve import anchored, evidence_of, retrieve
from ai_layer.settings import AiSettings
from fhir_server.interactions.context import Context
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem

RETRIEVER = "retriever"
"""The writer of its audit event: what it gives goes to an assistant that nobody here knows."""


class ChartRetriever(BaseRetriever):
    """Of one patient's record, for whoever `context` acts for. Raises FORBIDDEN where no Consent permits it."""

    context: Any
    """A Context; pydantic would look into its dataclasses were it said so."""
    patient_id: str
    language: str = "en"
    limit: int = 10

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        context: Context = self.context
        with context.transaction() as inside:
            assert inside.connection is not None
            settings = AiSettings.of(inside.service.settings)
            patient = record.patient(inside.connection, inside.access, self.patient_id, inside.now())
            allowed = permission(inside, self.patient_id, settings)
            if refusal := refused(allowed):
                raise FhirError(Problem.FORBIDDEN, f"{refusal.text} {refusal.reason}")
            question = understand(query, self.language, inside.now())
            question = anchored(inside.connection, inside.access, self.patient_id, question)
            found = retrieve(
                *(inside.connection, inside.access, self.patient_id, question, settings.embedder), self.limit
            )
            sent = evidence_of(allowed.kept(found), inside.access.purpose)
            sent = list(map(record.shielding(inside.connection, patient, settings).evidence, sent))
            proof = manifest(sent, inside.access.reason, RETRIEVER)
            recorded(
                inside, "retrieve", self.patient_id, Answer("answered", manifest=proof, writer=RETRIEVER)
            )
        return [document(item) for item in sent]


def document(item: Evidence) -> Document:
    """One piece of evidence."""
    metadata = {
        "reference": item.reference,
        "type": item.type,
        "label": item.label,
        "score": round(item.score, 4),
    }
    return Document(page_content=json.encode(item.elements).decode(), metadata=metadata)

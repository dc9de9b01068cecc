"""Evidence: the least elements of the resources that an answer may speak of, and the hash that proves what they were. Pure.

No names, addresses or identifiers of the patient; each item knows its versioned reference. SURFACE: `manifest`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ai_layer.passages import concept_of, time_of
from fhir_server.r4 import json
from terminology.coding import Coding, best_text, codings_of

Json = dict[str, Any]

ELEMENTS: dict[str, tuple[str, ...]] = {
    "Observation": (
        "status",
        "category",
        "code",
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveInstant",
        "issued",
        "valueQuantity",
        "valueCodeableConcept",
        "valueString",
        "valueBoolean",
        "valueInteger",
        "dataAbsentReason",
        "interpretation",
        "referenceRange",
        "component",
    ),
    "Condition": (
        "clinicalStatus",
        "verificationStatus",
        "category",
        "severity",
        "code",
        "onsetDateTime",
        "onsetPeriod",
        "abatementDateTime",
        "recordedDate",
    ),
    "MedicationRequest": (
        "status",
        "intent",
        "medicationCodeableConcept",
        "medicationReference",
        "authoredOn",
        "reasonCode",
        "dispenseRequest",
    ),
    "AllergyIntolerance": (
        "clinicalStatus",
        "verificationStatus",
        "category",
        "criticality",
        "code",
        "recordedDate",
        "onsetDateTime",
        "reaction",
    ),
    "Procedure": ("status", "code", "performedDateTime", "performedPeriod"),
    "Immunization": ("status", "vaccineCode", "occurrenceDateTime"),
    "DiagnosticReport": (
        "status",
        "category",
        "code",
        "effectiveDateTime",
        "effectivePeriod",
        "issued",
        "conclusion",
        "result",
    ),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One resource as an answer may use it: `elements` is all that a writer gets to see."""

    reference: str
    type: str
    elements: Json
    score: float
    is_named: bool = False

    @property
    def concept(self) -> Json:
        """Its CodeableConcept."""
        return concept_of({"resourceType": self.type, **self.elements})

    @property
    def codings(self) -> tuple[Coding, ...]:
        """The concept's codings."""
        return codings_of(self.concept)

    @property
    def label(self) -> str:
        """What the record calls it."""
        return best_text(self.concept)

    @property
    def is_current(self) -> bool:
        """Not over: an order that is active, a condition that is not resolved; what has no such status always counts."""
        status = self.elements.get("status") if self.type == "MedicationRequest" else None
        clinical = next((c.code for c in codings_of(self.elements.get("clinicalStatus")) if c.code), "active")
        return status in (None, "active", "on-hold") and clinical in ("active", "recurrence", "relapse")

    @property
    def time(self) -> datetime | None:
        """When it was."""
        return time_of({"resourceType": self.type, **self.elements})

    @property
    def value(self) -> Decimal | None:
        """The number of valueQuantity."""
        found = self.elements.get("valueQuantity", {}).get("value")
        return Decimal(found) if isinstance(found, (int, Decimal)) else None

    @property
    def unit(self) -> str:
        """The unit of valueQuantity, as shown."""
        quantity = self.elements.get("valueQuantity", {})
        return str(quantity.get("unit") or quantity.get("code") or "")


def evidence_from(body: bytes, version: int, score: float = 1.0, is_named: bool = True) -> Evidence:
    """The evidence in one resource."""
    resource = json.decode_object(body)
    kind = resource["resourceType"]
    kept = {name: resource[name] for name in ELEMENTS.get(kind, ()) if name in resource}
    return Evidence(f"{kind}/{resource['id']}/_history/{version}", kind, kept, score, is_named)


def manifest(evidence: Sequence[Evidence], reason: str, writer: str) -> str:
    """sha256 over the evidence (reference, version, elements), the Access's reason and the writer's name."""
    listed = [{"reference": e.reference, "elements": e.elements} for e in evidence]
    return hashlib.sha256(json.encode({"evidence": listed, "access": reason, "writer": writer})).hexdigest()

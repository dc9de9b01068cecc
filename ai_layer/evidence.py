"""Evidence: the least elements of the resources that an answer may speak of, and the hash that proves what they were. Pure.

minimum.json says which, for each purpose of use; each item knows its versioned reference. What of it a language model gets is
shield.py's matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ai_layer.minimum import elements_for
from ai_layer.passages import concept_of, time_of
from fhir_server.access.purpose import Purpose
from fhir_server.r4 import json
from terminology.coding import Coding, best_text, codings_of

Json = dict[str, Any]


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


def evidence_from(
    body: bytes, version: int, purpose: Purpose, score: float = 1.0, is_named: bool = True
) -> Evidence:
    """The evidence in one resource, as far as the purpose needs it."""
    resource = json.decode_object(body)
    kind = resource["resourceType"]
    kept = {name: resource[name] for name in elements_for(purpose, kind) if name in resource}
    return Evidence(f"{kind}/{resource['id']}/_history/{version}", kind, kept, score, is_named)


def manifest(evidence: Sequence[Evidence], reason: str, writer: str) -> str:
    """sha256 over the evidence (reference, version, elements as the writer got them), the Access's reason and the writer's name."""
    listed = [{"reference": e.reference, "elements": e.elements} for e in evidence]
    return hashlib.sha256(
        json.encode_sorted({"evidence": listed, "access": reason, "writer": writer})
    ).hexdigest()

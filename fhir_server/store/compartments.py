"""Compartments: which patients' compartments hold a resource, read off its own index rows.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html; a Patient's `link` does not put one patient into another's compartment.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_server.r4.definitions import COMPARTMENTS
from fhir_server.search.index import IndexRows
from fhir_server.search.parameters import Registry
from fhir_server.store.identities import Identity

BESIDE: dict[tuple[str, str], tuple[str, ...]] = {("Patient", "Task"): ("patient",)}
"""What R4 leaves out: a Task for a patient is the patient's to see, as the drafts' Tasks are."""


@dataclass(slots=True)
class Compartments:
    """Parameter numbers by resource type, worked out once."""

    registry: Registry
    _patient: dict[str, frozenset[int]] = field(default_factory=dict)

    def parameters(self, compartment: str, resource_type: str) -> frozenset[int]:
        """Numbers of the reference parameters that put such a resource into the compartment."""
        codes = COMPARTMENTS.get(compartment, {}).get(resource_type) or BESIDE.get(
            (compartment, resource_type), ()
        )
        found = (self.registry.get(resource_type, code) for code in codes)
        return frozenset(number for p in found if p and p.type == "reference" for number in p.stored)

    def patients(self, resource_type: str, rows: IndexRows) -> set[Identity]:
        """The patients whose compartments hold a resource with these index rows."""
        wanted = self._patient.get(resource_type)
        if wanted is None:
            wanted = self._patient[resource_type] = self.parameters("Patient", resource_type)
        references = rows.get("reference_index", ())
        return {r[1] for r in references if r[0] in wanted and r[1] is not None and r[1][0] == "Patient"}

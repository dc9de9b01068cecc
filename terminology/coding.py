"""Coding: a code, the system that owns it, and what that system prints for it.

https://hl7.org/fhir/R4/datatypes.html#Coding
https://hl7.org/fhir/R4/datatypes.html#CodeableConcept
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM: Final = "http://unitsofmeasure.org"
CVX: Final = "http://hl7.org/fhir/sid/cvx"
NDC: Final = "http://hl7.org/fhir/sid/ndc"
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_9_CM: Final = "http://hl7.org/fhir/sid/icd-9-cm"
CPT: Final = "http://www.ama-assn.org/go/cpt"
ATC: Final = "http://www.whocc.no/atc"

OID_TO_SYSTEM: Final[Mapping[str, str]] = {
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": SNOMED,
    "2.16.840.1.113883.6.88": RXNORM,
    "2.16.840.1.113883.6.8": UCUM,
    "2.16.840.1.113883.12.292": CVX,
    "2.16.840.1.113883.6.59": CVX,
    "2.16.840.1.113883.6.69": NDC,
    "2.16.840.1.113883.6.3": ICD_10,
    "2.16.840.1.113883.6.90": ICD_10_CM,
    "2.16.840.1.113883.6.103": ICD_9_CM,
    "2.16.840.1.113883.6.104": ICD_9_CM,
    "2.16.840.1.113883.6.12": CPT,
    "2.16.840.1.113883.6.73": ATC,
}
"""Code system OIDs as C-CDA and HL7 v2 write them. https://hl7.org/fhir/R4/terminologies-systems.html"""


@dataclass(frozen=True, slots=True)
class Coding:
    """One code in one system. `system` and `display` are empty where the source was silent."""

    system: str
    code: str
    display: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.system, self.code)


def coding_of(element: Mapping[str, Any]) -> Coding:
    """A FHIR Coding element as a value."""
    parts = (element.get(name) for name in ("system", "code", "display"))
    return Coding(*(part if isinstance(part, str) else "" for part in parts))


def codings_of(concept: Mapping[str, Any] | None) -> tuple[Coding, ...]:
    """The codings of a CodeableConcept that carry a code or a display, in their order."""
    if not isinstance(concept, Mapping):
        return ()
    elements = concept.get("coding")
    if not isinstance(elements, list):
        return ()
    codings = (coding_of(element) for element in elements if isinstance(element, Mapping))
    return tuple(coding for coding in codings if coding.code or coding.display)


def best_text(concept: Mapping[str, Any] | None) -> str:
    """What the source itself calls a CodeableConcept: its text, else a display, else a code, else ''."""
    if not isinstance(concept, Mapping):
        return ""
    text = concept.get("text")
    if isinstance(text, str) and text.strip():
        return text.strip()
    codings = codings_of(concept)
    displays = (coding.display.strip() for coding in codings)
    return next((display for display in displays if display), codings[0].code if codings else "")

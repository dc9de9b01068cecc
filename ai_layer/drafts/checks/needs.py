"""Check `needs`: what the record says that the patient needs at a visit, a language and room for a wheelchair, against what is recorded of the place.

R4 has no one element for a wheelchair: it stands in an extension of the Patient or in a Condition, and at the place in a characteristic.
https://hl7.org/fhir/R4/patient-definitions.html#Patient.communication
https://hl7.org/fhir/R4/healthcareservice-definitions.html#HealthcareService.characteristic
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ai_layer.drafts.checks.finding import GRAVITY, Finding, gravest, passes, unknown, warns
from ai_layer.drafts.checks.reading import Json, codes, elements, part
from terminology.coding import best_text, codings_of

DISABILITY = "http://hl7.org/fhir/StructureDefinition/patient-disability"
WHEELCHAIR_CODES = ("225612007", "105503008", "Z99.3")
"""SNOMED CT: wheelchair bound, dependence on wheelchair; ICD-10-CM: dependence on wheelchair."""
WHEELCHAIR = re.compile(r"\bwheel ?chair", re.IGNORECASE)
OVER = frozenset(["inactive", "resolved", "remission"])
WRONG = frozenset(["entered-in-error", "refuted"])


@dataclass(frozen=True, slots=True)
class Needs:
    """`language` is the first part of a language tag (`fr`); `wheelchair` are the resources that speak of one.

    `withheld`: a Consent leaves something out that might say more.
    """

    patient: Json | None = None
    language: str = ""
    wheelchair: tuple[Json, ...] = ()
    withheld: bool = False


NONE = Needs()


def needs_of(patient: Json | None, conditions: Sequence[Json], withheld: bool = False) -> Needs:
    """What the record holds of them; where it is silent there are none."""
    if patient is None:
        return Needs(withheld=withheld)
    said = [patient] if any(map(_is_wheelchair, _disabilities(patient))) else []
    said += [each for each in conditions if _is_active(each) and _is_wheelchair(part(each, "code"))]
    return Needs(patient, _language(patient), tuple(said), withheld)


def met(needs: Needs, place: Sequence[Json], slot: Json | None = None) -> Finding:
    """Whether the place (its Practitioner, HealthcareService, Location) is known to have what is needed."""
    cited = [each for each in (slot, needs.patient) if each]
    found = [*_language_met(needs, place), *_wheelchair_met(needs, place)]
    if needs.withheld:
        found.append(
            unknown("This could not be checked in full: part of the record is withheld by a Consent.", *cited)
        )
    if needs.patient is None:
        found.append(unknown("The record does not say what the patient needs.", *cited))
    return gravest(found) if found else passes("The record names no needs for the visit.", *cited)


def rank(needs: Needs, place: Sequence[Json]) -> int:
    """The higher, the less of what is needed is known to be there."""
    return GRAVITY.index(met(needs, place).result)


def _language_met(needs: Needs, place: Sequence[Json]) -> Iterator[Finding]:
    wanted, patient = needs.language, needs.patient
    if not wanted or patient is None:
        return
    speakers = [each for each in place if _spoken(each)]
    if not speakers:
        yield unknown(f"Nothing says whether {wanted}, the patient's language, is spoken there.", patient)
    elif any(wanted in _spoken(each) for each in speakers):
        yield passes(f"The patient's language, {wanted}, is spoken there.", patient, *speakers)
    else:
        text = f"The patient's language, {wanted}, is not among those spoken there; see to an interpreter."
        yield warns(text, patient, *speakers)


def _wheelchair_met(needs: Needs, place: Sequence[Json]) -> Iterator[Finding]:
    if not needs.wheelchair:
        return
    if ready := [each for each in place if any(map(_is_wheelchair, elements(each, "characteristic")))]:
        yield passes("The place is open to a wheelchair.", *needs.wheelchair, *ready)
    else:
        text = "The record speaks of a wheelchair, and nothing says that the place is open to one."
        yield unknown(text, *needs.wheelchair)


def _language(patient: Json) -> str:
    """The preferred one, or the only one."""
    every = list(elements(patient, "communication"))
    preferred = [each for each in every if each.get("preferred") is True] or (
        every if len(every) == 1 else []
    )
    return next((tag for each in preferred for tag in _tags(part(each, "language"))), "")


def _spoken(resource: Json) -> frozenset[str]:
    """Languages of a Practitioner or a HealthcareService."""
    return frozenset(tag for each in elements(resource, "communication") for tag in _tags(each))


def _tags(concept: Json) -> list[str]:
    """First parts of its language tags: `fr` of `fr-CA`. https://hl7.org/fhir/R4/valueset-languages.html"""
    return [coding.code.partition("-")[0].lower() for coding in codings_of(concept) if coding.code]


def _disabilities(patient: Json) -> Iterator[Json]:
    extensions = (each for each in elements(patient, "extension") if each.get("url") == DISABILITY)
    return (part(each, "valueCodeableConcept") for each in extensions)


def _is_wheelchair(concept: Json) -> bool:
    found = codings_of(concept)
    texts = (best_text(concept), *(coding.display for coding in found), *(coding.code for coding in found))
    return bool(codes(concept) & set(WHEELCHAIR_CODES)) or any(
        WHEELCHAIR.search(text) for text in texts if text
    )


def _is_active(condition: Json) -> bool:
    states = codes(condition.get("clinicalStatus")) | codes(condition.get("verificationStatus"))
    return not states & (OVER | WRONG) and not any(name.startswith("abatement") for name in condition)

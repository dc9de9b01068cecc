"""The rules of each role, as tables of resource types, purposes and operations.

A Rule says what a role may read and write at most; scopes and the compartment narrow that. What no row names is not permitted.
https://hl7.org/fhir/R4/security.html#authorization
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.access.actor import Role
from fhir_server.access.purpose import Purpose
from fhir_server.r4.definitions import TYPE_CODE


def _types(names: str) -> frozenset[str]:
    return frozenset(names.split())


EVERY = frozenset(TYPE_CODE)

DIRECTORY = _types(
    "Practitioner PractitionerRole Organization OrganizationAffiliation Location HealthcareService InsurancePlan"
)
SCHEDULING = _types("Appointment AppointmentResponse Schedule Slot")
ADMINISTRATIVE = _types("Patient RelatedPerson Person Account Coverage EnrollmentRequest EnrollmentResponse")
KNOWLEDGE = _types(
    "ActivityDefinition CapabilityStatement ChargeItemDefinition CodeSystem CompartmentDefinition ConceptMap DeviceDefinition"
    " EffectEvidenceSynthesis EventDefinition Evidence EvidenceVariable ExampleScenario GraphDefinition ImplementationGuide Library"
    " Measure Medication MedicationKnowledge MessageDefinition NamingSystem ObservationDefinition OperationDefinition PlanDefinition"
    " Questionnaire ResearchDefinition ResearchElementDefinition RiskEvidenceSynthesis SearchParameter SpecimenDefinition"
    " StructureDefinition StructureMap Substance TerminologyCapabilities ValueSet"
)
"""Definitions and products: they speak of no person."""

SECURITY = _types("AuditEvent Subscription Endpoint")
"""Who looked at whom, and channels with their secrets."""

SHARED = DIRECTORY | KNOWLEDGE | _types("Schedule Slot")
"""What a patient may read although it is in nobody's compartment; a row that names another patient is not shared."""

NEVER = _types(
    "Binary Bundle Device DeviceMetric Endpoint Group Linkage List MessageHeader Parameters Subscription"
)
"""What a patient never reads: collections and carriers of anybody's data, and channels."""

SOLE = _types(
    "Account Appointment AppointmentResponse AuditEvent Basic Communication CommunicationRequest Coverage Person Provenance"
)
"""Types that can name several patients beside each other: a patient reads those that name nobody else."""

OWN = EVERY - SHARED - NEVER - SOLE - {"Patient"}
"""Types that a patient reads when they stand in the own compartment."""


@dataclass(frozen=True, slots=True)
class Rule:
    """At most these types for these purposes, from tokens with these scope contexts."""

    reads: frozenset[str]
    writes: frozenset[str]
    purposes: frozenset[Purpose]
    contexts: frozenset[str]

    def types(self, letter: str) -> frozenset[str]:
        """The types for one of the letters `cruds`."""
        return self.reads if letter in "rs" else self.writes


RULES: dict[Role, Rule] = {
    Role.SYSTEM: Rule(EVERY, EVERY, frozenset(Purpose), _types("system user patient")),
    Role.CLINICIAN: Rule(
        EVERY - SECURITY,
        EVERY - SECURITY - KNOWLEDGE - DIRECTORY - {"Provenance", "Consent"} | {"Medication"},
        frozenset({Purpose.TREAT, Purpose.ETREAT, Purpose.BTG, Purpose.CAREMGT, Purpose.COC}),
        _types("user patient"),
    ),
    Role.STAFF: Rule(
        ADMINISTRATIVE | SCHEDULING | DIRECTORY,
        ADMINISTRATIVE | SCHEDULING,
        frozenset({Purpose.PATADMIN, Purpose.HOPERAT, Purpose.HPAYMT}),
        _types("user patient"),
    ),
    Role.PATIENT: Rule(EVERY - NEVER, frozenset(), frozenset({Purpose.PATRQT}), _types("patient user")),
}

LETTER: dict[str, str] = {
    "read": "r",
    "vread": "r",
    "history": "r",
    "history-instance": "r",
    "history-type": "s",
    "history-system": "s",
    "search": "s",
    "search-type": "s",
    "search-system": "s",
    "create": "c",
    "update": "u",
    "patch": "u",
    "delete": "d",
}
"""Interactions (https://hl7.org/fhir/R4/valueset-type-restful-interaction.html) and the letter of the scope that each needs."""

OPEN = frozenset({"capabilities", "transaction", "batch"})
"""Needs nothing by itself: each entry of a Bundle is judged on its own."""

ANYBODY = frozenset(Role)
CARE = frozenset({Role.SYSTEM, Role.CLINICIAN, Role.PATIENT})

OPERATIONS: dict[str, tuple[frozenset[Role], str]] = {
    "$ask": (CARE, "r"),
    "$retrieve": (CARE, "s"),
    "$explain": (CARE, "r"),
    "$assist": (CARE, "r"),
    "$draft-refill": (CARE, "r"),
    "$draft-appointment": (CARE, "r"),
    "$draft-cancellation": (CARE, "r"),
    "$calendar": (ANYBODY, "r"),
    "$respond": (frozenset({Role.CLINICIAN, Role.PATIENT}), "r"),
    "$review": (frozenset({Role.CLINICIAN}), "r"),
    "$sign-off": (frozenset({Role.CLINICIAN}), "u"),
    "$ingest": (frozenset({Role.SYSTEM}), "c"),
    "$explain-access": (ANYBODY, "r"),
    "$break-glass": (frozenset({Role.CLINICIAN}), ""),
    "$everything": (ANYBODY, "s"),
    "$lastn": (ANYBODY, "s"),
    "$document": (CARE, "r"),
    "$validate": (ANYBODY, ""),
    "$convert": (ANYBODY, ""),
    "$meta": (ANYBODY, "r"),
    "$meta-add": (frozenset({Role.SYSTEM}), "u"),
    "$meta-delete": (frozenset({Role.SYSTEM}), "u"),
    "$reindex": (frozenset({Role.SYSTEM}), "u"),
    "$reindex-status": (frozenset({Role.SYSTEM}), "u"),
    "$lookup": (ANYBODY, ""),
    "$validate-code": (ANYBODY, ""),
    "$subsumes": (ANYBODY, ""),
    "$translate": (ANYBODY, ""),
    "$expand": (ANYBODY, ""),
    "$closure": (frozenset({Role.SYSTEM, Role.CLINICIAN}), ""),
}
"""Who may call an operation, and the letter on its resource type; "" asks for no scope. One without a row is for the role system."""

"""Purpose: why somebody asks.

Codes of the value set PurposeOfUse, system http://terminology.hl7.org/CodeSystem/v3-ActReason.
https://hl7.org/fhir/R4/v3/PurposeOfUse/vs.html
"""

from __future__ import annotations

from enum import StrEnum

from fhir_server.access.actor import Role

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


class Purpose(StrEnum):
    """The purposes that a rule of ours knows."""

    TREAT = "TREAT"
    ETREAT = "ETREAT"
    BTG = "BTG"
    CAREMGT = "CAREMGT"
    COC = "COC"
    HPAYMT = "HPAYMT"
    HOPERAT = "HOPERAT"
    PATADMIN = "PATADMIN"
    HSYSADMIN = "HSYSADMIN"
    HRESCH = "HRESCH"
    PUBHLTH = "PUBHLTH"
    PATRQT = "PATRQT"
    FAMRQT = "FAMRQT"

    def as_coding(self) -> dict[str, str]:
        """As a Coding, for AuditEvent and Consent."""
        return {"system": SYSTEM, "code": self.value, "display": DISPLAY[self]}


DISPLAY: dict[Purpose, str] = {
    Purpose.TREAT: "treatment",
    Purpose.ETREAT: "Emergency Treatment",
    Purpose.BTG: "break the glass",
    Purpose.CAREMGT: "care management",
    Purpose.COC: "coordination of care",
    Purpose.HPAYMT: "healthcare payment",
    Purpose.HOPERAT: "healthcare operations",
    Purpose.PATADMIN: "patient administration",
    Purpose.HSYSADMIN: "health system administration",
    Purpose.HRESCH: "healthcare research",
    Purpose.PUBHLTH: "public health",
    Purpose.PATRQT: "patient requested",
    Purpose.FAMRQT: "family requested",
}

BROADER: dict[Purpose, Purpose] = {
    Purpose.ETREAT: Purpose.TREAT,
    Purpose.BTG: Purpose.ETREAT,
    Purpose.COC: Purpose.TREAT,
    Purpose.CAREMGT: Purpose.HOPERAT,
    Purpose.PATADMIN: Purpose.HOPERAT,
    Purpose.HSYSADMIN: Purpose.HOPERAT,
    Purpose.FAMRQT: Purpose.PATRQT,
}
"""The next broader purpose in the code system's hierarchy; the others stand below its root."""

ROOT = "PurposeOfUse"

_USUAL: dict[Role, Purpose] = {
    Role.SYSTEM: Purpose.HSYSADMIN,
    Role.CLINICIAN: Purpose.TREAT,
    Role.STAFF: Purpose.PATADMIN,
    Role.PATIENT: Purpose.PATRQT,
}


def usual_purpose(role: Role) -> Purpose:
    """The purpose of a request that states none."""
    return _USUAL[role]


def and_broader(purpose: Purpose) -> tuple[str, ...]:
    """The purpose's code and those that include it, up to the root: who permits TREAT permits ETREAT."""
    broader = BROADER.get(purpose)
    return (purpose.value, *(and_broader(broader) if broader else (ROOT,)))

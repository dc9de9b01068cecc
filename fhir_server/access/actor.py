"""Actor: who asks, in which role, with which scopes.

Scopes are never implied: an Actor without scopes may do nothing. The three makers below give the usual ones.
https://hl7.org/fhir/R4/security.html#authentication
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fhir_server.access.scopes import Scope, parse_scopes


class Role(StrEnum):
    """What an actor is to the record."""

    SYSTEM = "system"
    CLINICIAN = "clinician"
    STAFF = "staff"
    PATIENT = "patient"


USUAL_SCOPES: dict[Role, str] = {
    Role.SYSTEM: "system/*.cruds",
    Role.CLINICIAN: "user/*.cruds",
    Role.STAFF: "user/*.cruds",
    Role.PATIENT: "patient/*.rs",
}
"""The scopes of a sign-in that asks for none. The role's own rules narrow them further."""


@dataclass(frozen=True, slots=True)
class Actor:
    """`fhir_user` is a relative reference such as `Practitioner/7`; `patient` is the logical id of the patient in context."""

    role: Role
    subject: str
    fhir_user: str = ""
    patient: str | None = None
    scopes: tuple[Scope, ...] = ()
    client: str = ""

    @classmethod
    def system(cls, subject: str = "system", client: str = "") -> Actor:
        """The server itself, and every request while `auth` is off."""
        return cls(Role.SYSTEM, subject, scopes=usual_scopes(Role.SYSTEM), client=client)

    @classmethod
    def clinician(cls, fhir_user: str, subject: str = "") -> Actor:
        """A clinician with the usual scopes; `fhir_user` such as `Practitioner/7`."""
        return cls(Role.CLINICIAN, subject or fhir_user, fhir_user, scopes=usual_scopes(Role.CLINICIAN))

    @classmethod
    def of_patient(cls, patient: str, subject: str = "") -> Actor:
        """The patient with this logical id, with the usual scopes."""
        who = f"Patient/{patient}"
        return cls(Role.PATIENT, subject or who, who, patient, usual_scopes(Role.PATIENT))


def usual_scopes(role: Role) -> tuple[Scope, ...]:
    """USUAL_SCOPES, parsed."""
    return parse_scopes(USUAL_SCOPES[role])

"""A token's claims -> an Actor: role, patient and fhirUser from the claims that the settings name.

A claim that is not there grants nothing; two that contradict each other are refused. Scopes come from `scope` (or `scp`) alone, and no
scopes mean no access. https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.access.actor import Actor, Role
from fhir_server.access.scopes import parse_scopes

_USER = re.compile(
    r"(Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/[A-Za-z0-9.-]{1,64}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Names:
    """The claims' names; a dot leads into an object: `realm_access.roles`. `base`: this server's FHIR address."""

    role: str
    patient: str
    fhir_user: str
    base: str


def actor_of(claims: Mapping[str, Any], names: Names) -> Actor:
    """Who the token is of. Raises ValueError."""
    role = role_of(claim(claims, names.role))
    user = user_of(claim(claims, names.fhir_user), names.base)
    patient = patient_of(claim(claims, names.patient))
    if role is Role.PATIENT:
        patient = own_patient(user, patient)
    client = claims.get("azp") or claims.get("client_id") or ""
    return Actor(
        role, text(claims["sub"]), user, patient or None, parse_scopes(scopes_of(claims)), text(client)
    )


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The value: of the claim with this very name, or along its dots."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def role_of(value: Any) -> Role:
    """The one role of ours among what is said; none, or two, are refused."""
    said = value if isinstance(value, list) else [value]
    found = {each for each in said if isinstance(each, str) and each in set(Role)}
    if len(found) != 1:
        raise ValueError("not exactly one role")
    return Role(found.pop())


def user_of(value: Any, base: str) -> str:
    """`Practitioner/7`, also where it is said as an address of this server; of another server's user nothing is known here."""
    found = text(value or "").removeprefix(f"{base}/")
    return found if _USER.fullmatch(found) else ""


def patient_of(value: Any) -> str:
    """The logical id of the patient in context."""
    found = text(value or "").removeprefix("Patient/")
    if not re.fullmatch(r"[A-Za-z0-9.-]{0,64}", found):
        raise ValueError("no logical id")
    return found


def own_patient(user: str, patient: str) -> str:
    """A patient's own record: what fhirUser says, and the launch context may not say another one."""
    own = user.removeprefix("Patient/") if user.startswith("Patient/") else ""
    if (user and not own) or (own and patient and own != patient) or not (own or patient):
        raise ValueError("whose record is not clear")
    return own or patient


def scopes_of(claims: Mapping[str, Any]) -> str:
    """`scope` as one text, or `scp` as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    return " ".join(map(text, found)) if isinstance(found, list) else text(found)


def text(value: Any) -> str:
    """A claim that has to be a text. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("a claim that is not a text")
    return value

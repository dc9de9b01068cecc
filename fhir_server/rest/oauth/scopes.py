"""What an app is granted of what it asks for: never more than it asked, than it is registered for, and than the role may.

https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fhir_server.access.actor import Role
from fhir_server.access.policy import RULES
from fhir_server.access.scopes import Scope, parse_scope

PLAIN = ("openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access", "online_access")
"""Scopes that are not for resources."""


def granted(asked: str, registered: str, role: Role) -> str:
    """The scopes, in the order asked; one that is granted whole keeps its wording, others are narrowed or left out."""
    allowed = [scope for word in registered.split() if (scope := parse_scope(word))]
    return " ".join(
        dict.fromkeys(
            word for text in asked.split() for word in _granted(text, allowed, registered.split(), role)
        )
    )


def _granted(text: str, allowed: list[Scope], words: list[str], role: Role) -> Iterable[str]:
    if text in PLAIN:
        return [text] if text in words else []
    asked = parse_scope(text)
    if asked is None or asked.context not in RULES[role].contexts:
        return []
    parts = [part for limit in allowed if (part := _narrowed(asked, limit))]
    return [text] if asked in parts else [str(part) for part in parts]


def _narrowed(asked: Scope, limit: Scope) -> Scope | None:
    """What both scopes grant; nothing where they speak of different things."""
    if asked.context != limit.context or not (asked.covers(limit.type) or limit.covers(asked.type)):
        return None
    letters = "".join(x for x in asked.letters if x in limit.letters)
    kind = asked.type if limit.type == "*" else limit.type
    query = "&".join(dict.fromkeys(q for q in (limit.query, asked.query) if q))
    return replace(asked, type=kind, letters=letters, query=query) if letters else None


def narrower(asked: str, held: str) -> str | None:
    """The scopes asked for at a refresh, where each is among those held; else None."""
    words = asked.split()
    return " ".join(words) if words and set(words) <= set(held.split()) else None


def needs_patient(scope: str) -> bool:
    """Whether the app expects a patient in context."""
    return any(word in ("launch/patient", "launch") or word.startswith("patient/") for word in scope.split())

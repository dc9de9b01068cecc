"""Introspection: another server asks what a token is worth.

Who asks has to show who they are, as an app with a secret or a key. https://hl7.org/fhir/smart-app-launch/STU2/token-introspection.html
and https://www.rfc-editor.org/rfc/rfc7662
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_server.access.scopes import written
from fhir_server.rest.oauth.assertion import refusal
from fhir_server.rest.oauth.token import Asking, Desk, verified

INACTIVE: dict[str, Any] = {"active": False}


def introspect(desk: Desk, given: Mapping[str, str], asking: Asking) -> dict[str, Any]:
    """What the token says, or no more than that it does not count. Raises invalid_client."""
    if desk.client(given, asking).by == "none":
        raise refusal()
    text = given.get("token", "")
    return _access(desk, text) or _refresh(desk, text) or INACTIVE


def _access(desk: Desk, text: str) -> dict[str, Any]:
    found = verified(desk, text)
    if found is None:
        return {}
    actor = found.actor
    named = {
        "patient": actor.patient,
        "fhirUser": actor.fhir_user and f"{desk.address}/fhir/{actor.fhir_user}",
    }
    return {
        "active": True,
        "scope": written(actor.scopes),
        "client_id": actor.client,
        "sub": actor.subject,
        "iss": desk.auth.tokens.issuer,
        "exp": _seconds(found.expires_at),
        "iat": _seconds(found.issued_at),
        "token_type": "Bearer",
        **{name: value for name, value in named.items() if value},
    }


def _refresh(desk: Desk, text: str) -> dict[str, Any]:
    grant = desk.grants.find(text, desk.now())
    if grant is None:
        return {}
    return {
        "active": True,
        "scope": grant.holder.scope,
        "client_id": grant.client_id,
        "exp": _seconds(grant.expires_at),
    }


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())

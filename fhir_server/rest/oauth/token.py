"""The token endpoint: authorization_code, refresh_token and client_credentials.

https://hl7.org/fhir/smart-app-launch/STU2/app-launch.html#obtain-access-token and
https://hl7.org/fhir/smart-app-launch/STU2/backend-services.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhir_server.access.actor import Actor, Role
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.context import Service
from fhir_server.r4.outcome import FhirError
from fhir_server.rest.auth import Auth
from fhir_server.rest.oauth import clients
from fhir_server.rest.oauth.clients import Authenticated
from fhir_server.rest.oauth.grants import Given, Grants
from fhir_server.rest.oauth.problem import OAuthError
from fhir_server.rest.oauth.scopes import granted
from fhir_server.rest.tokens import HOUR, Kind, Token
from fhir_server.store.oauth import Holder

BACKEND_LASTS = timedelta(minutes=5)
ID_TOKEN = Kind("JWT", "")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """How the app shows who it is: the Authorization header, and the addresses that an assertion may be made for."""

    header: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the OAuth endpoints work with; `address` is the server's own, without a path."""

    service: Service
    auth: Auth
    grants: Grants
    address: str

    def now(self) -> datetime:
        """The clock's time."""
        return self.service.clock()

    def client(self, given: Mapping[str, str], asking: Asking) -> Authenticated:
        """The app that asks. Raises invalid_client."""
        return clients.authenticate(self.service.database, given, asking.header, asking.audiences, self.now())


def token(desk: Desk, given: Mapping[str, str], asking: Asking) -> Json:
    """The answer to a token request. Raises OAuthError."""
    grant_type = given.get("grant_type", "")
    if grant_type not in GRANT_TYPES:
        raise OAuthError("unsupported_grant_type", f"grant_type is one of {', '.join(GRANT_TYPES)}.")
    return GRANT_TYPES[grant_type](desk, desk.client(given, asking), given)


def _by_code(desk: Desk, asking: Authenticated, given: Mapping[str, str]) -> Json:
    code, uri, verifier = (given.get(name, "") for name in ("code", "redirect_uri", "code_verifier"))
    found = desk.grants.exchange(asking.client, code, uri, verifier, desk.service.new_id(), desk.now())
    return _answer(desk, asking, found)


def _by_refresh(desk: Desk, asking: Authenticated, given: Mapping[str, str]) -> Json:
    found = desk.grants.refresh(
        asking.client, given.get("refresh_token", ""), given.get("scope", ""), desk.now()
    )
    return _answer(desk, asking, found)


def _by_credentials(desk: Desk, asking: Authenticated, given: Mapping[str, str]) -> Json:
    """Backend services: an app for itself, which has to sign with a key."""
    if asking.by != "key":
        raise OAuthError(
            "unauthorized_client", "client_credentials needs a client_assertion (private_key_jwt)."
        )
    words = [
        s
        for s in granted(given.get("scope", ""), asking.client.scope, Role.SYSTEM).split()
        if s.startswith("system/")
    ]
    if not words:
        raise OAuthError(
            "invalid_scope", "None of the scopes can be granted; backend services use system/ scopes."
        )
    client_id = asking.client.client_id
    actor = Actor(Role.SYSTEM, client_id, scopes=parse_scopes(" ".join(words)), client=client_id)
    text = desk.auth.tokens.issue(actor, BACKEND_LASTS)
    return {
        "access_token": text,
        "token_type": "Bearer",
        "expires_in": int(BACKEND_LASTS.total_seconds()),
        "scope": " ".join(words),
    }


GRANT_TYPES: dict[str, Callable[[Desk, Authenticated, Mapping[str, str]], Json]] = {
    "authorization_code": _by_code,
    "refresh_token": _by_refresh,
    "client_credentials": _by_credentials,
}


def _answer(desk: Desk, asking: Authenticated, given: Given) -> Json:
    holder, client_id = given.holder, asking.client.client_id
    jti = f"{given.grant_id}.{desk.service.new_id()}"
    text = desk.auth.tokens.issue(
        actor_of(holder, client_id), HOUR, signed_in_at=holder.signed_in_at, jti=jti
    )
    found: Json = {
        "access_token": text,
        "token_type": "Bearer",
        "expires_in": int(HOUR.total_seconds()),
        "scope": holder.scope,
    }
    named = {
        "patient": holder.patient,
        "refresh_token": given.refresh_token,
        "id_token": _id_token(desk, given, client_id),
    }
    found |= {name: value for name, value in named.items() if value}
    return found | (
        {"need_patient_banner": True} if holder.patient and "launch" in holder.scope.split() else {}
    )


def actor_of(holder: Holder, client_id: str) -> Actor:
    """The user, through the app, with the scopes that were given."""
    scopes = parse_scopes(holder.scope)
    return Actor(holder.role, holder.username, holder.fhir_user, holder.patient, scopes, client_id)


def _id_token(desk: Desk, given: Given, client_id: str) -> str:
    """Who signed in, for the app. https://openid.net/specs/openid-connect-core-1_0.html#IDToken"""
    words = given.holder.scope.split()
    if "openid" not in words:
        return ""
    shown = given.holder.fhir_user if {"fhirUser", "profile"} & set(words) else ""
    claims = {"aud": client_id, "sub": given.holder.username, "nonce": given.nonce}
    claims |= {"fhirUser": f"{desk.address}/fhir/{shown}" if shown else ""}
    times = {"auth_time": int(given.holder.signed_in_at.timestamp())}
    return desk.auth.tokens.sign({**{n: v for n, v in claims.items() if v}, **times}, HOUR, ID_TOKEN.typ)


def revoke(desk: Desk, given: Mapping[str, str], asking: Asking) -> None:
    """The app gives a token back; whether there was one is not told. https://www.rfc-editor.org/rfc/rfc7009"""
    client, text = desk.client(given, asking).client, given.get("token", "")
    found = verified(desk, text)
    if found is None:
        desk.grants.give_back(client, text, desk.now())
    elif found.actor.client == client.client_id:
        desk.auth.revocations.revoke(found)


def verified(desk: Desk, text: str) -> Token | None:
    """The access token, where it counts."""
    try:
        return desk.auth.tokens.verify(text)
    except FhirError:
        return None

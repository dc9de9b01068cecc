"""Grants: what a code becomes, how a refresh token is turned over, how all of it is taken back.

A refresh token counts once and names its grant; an older one of the same grant means that somebody has a copy, and ends the grant. A
code that comes a second time does the same. https://www.rfc-editor.org/rfc/rfc9700#name-refresh-token-protection
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from psycopg import Connection

from fhir_server.rest.oauth.problem import OAuthError, digest, new_secret
from fhir_server.rest.oauth.scopes import narrower
from fhir_server.rest.revocations import Revocations
from fhir_server.store import access, oauth
from fhir_server.store.database import Database
from fhir_server.store.oauth import Client, Code, Grant, Holder

OFFLINE_LASTS = timedelta(days=30)
ONLINE_LASTS = timedelta(hours=12)
FAMILY_LASTS = timedelta(hours=2)
"""How long after a revocation an access token of the grant could still be around."""

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


@dataclass(frozen=True, slots=True)
class Given:
    """What an app gets: the holder with the scopes of this token, the grant's id, a refresh token or nothing, the nonce."""

    holder: Holder
    grant_id: str
    refresh_token: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Grants:
    """Turns codes and refresh tokens into grants."""

    database: Database
    revocations: Revocations

    def exchange(
        self, client: Client, code: str, redirect_uri: str, verifier: str, grant_id: str, now: datetime
    ) -> Given:
        """A code, once. Raises invalid_grant, and then the code is used up all the same."""
        code_hash = digest(code)
        with self.database.transaction() as connection:
            found = oauth.take_code(connection, code_hash)
            replayed = "" if found else oauth.grant_of_code(connection, code_hash)
            if found and _fits(found, client, redirect_uri, verifier, now):
                given = _start(connection, found, grant_id, now)
                oauth.code_became(connection, code_hash, grant_id)
                return given
        if replayed:
            self.revoke(replayed, now)
        raise OAuthError("invalid_grant", "The code does not count, or counts no more.")

    def refresh(self, client: Client, token: str, scope: str, now: datetime) -> Given:
        """A new refresh token for the old one. Raises invalid_grant, invalid_scope."""
        with self.database.transaction() as connection:
            grant = oauth.lock_grant(connection, _grant_id(token))
            is_live = grant is not None and grant.client_id == client.client_id and grant.expires_at > now
            if (
                grant is not None
                and is_live
                and _is_current(grant, token)
                and _is_still(connection, grant.holder)
            ):
                return _turn_over(connection, grant, scope)
        if grant is not None and grant.client_id == client.client_id:
            self.revoke(grant.id, now)
        raise OAuthError("invalid_grant", "The refresh token does not count, or counts no more.")

    def give_back(self, client: Client, token: str, now: datetime) -> None:
        """The app revokes its own refresh token, whichever of the grant's it still has."""
        with self.database.transaction() as connection:
            grant = oauth.lock_grant(connection, _grant_id(token))
        if grant is not None and grant.client_id == client.client_id:
            self.revoke(grant.id, now)

    def find(self, token: str, now: datetime) -> Grant | None:
        """The grant of a refresh token that counts."""
        with self.database.transaction() as connection:
            grant = oauth.lock_grant(connection, _grant_id(token))
        return grant if grant is not None and grant.expires_at > now and _is_current(grant, token) else None

    def revoke(self, grant_id: str, now: datetime) -> None:
        """The grant and every access token that came of it."""
        with self.database.transaction() as connection:
            oauth.remove_grant(connection, grant_id)
        self.revocations.revoke_family(grant_id, now + FAMILY_LASTS)


def _fits(code: Code, client: Client, redirect_uri: str, verifier: str, now: datetime) -> bool:
    same = code.client_id == client.client_id and code.redirect_uri == redirect_uri and code.expires_at > now
    return (
        same
        and bool(_VERIFIER.fullmatch(verifier))
        and hmac.compare_digest(challenge_of(verifier), code.challenge)
    )


def challenge_of(verifier: str) -> str:
    """S256. https://www.rfc-editor.org/rfc/rfc7636#section-4.2"""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _start(connection: Connection[Any], code: Code, grant_id: str, now: datetime) -> Given:
    words = code.holder.scope.split()
    lasts = OFFLINE_LASTS if "offline_access" in words else ONLINE_LASTS
    secret = new_secret() if {"offline_access", "online_access"} & set(words) else ""
    grant = Grant(grant_id, code.client_id, code.holder, digest(secret) if secret else None, now + lasts)
    oauth.add_grant(connection, grant, now)
    return Given(code.holder, grant_id, f"{grant_id}.{secret}" if secret else "", code.nonce)


def _turn_over(connection: Connection[Any], grant: Grant, scope: str) -> Given:
    held = narrower(scope, grant.holder.scope) if scope else grant.holder.scope
    if held is None:
        raise OAuthError("invalid_scope", "A refresh never gives more than the user did.")
    secret = new_secret()
    oauth.set_refresh(connection, grant.id, digest(secret))
    return Given(replace(grant.holder, scope=held), grant.id, f"{grant.id}.{secret}")


def _is_current(grant: Grant, token: str) -> bool:
    return grant.refresh_hash is not None and hmac.compare_digest(
        grant.refresh_hash, digest(token.partition(".")[2])
    )


def _is_still(connection: Connection[Any], holder: Holder) -> bool:
    """The user is still there, and still what they were."""
    user = access.find_user(connection, holder.username)
    return user is not None and (user.role, user.fhir_user) == (holder.role, holder.fhir_user)


def _grant_id(token: str) -> str:
    found = token.partition(".")[0]
    return found if found.isascii() and found.isprintable() else ""

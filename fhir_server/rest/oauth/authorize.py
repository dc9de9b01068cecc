"""The authorization request: what an app may ask a user for, and the code that it gets.

Authorization code with PKCE (S256) only; redirect_uri exactly as registered; a code counts once and for a minute.
https://hl7.org/fhir/smart-app-launch/STU2/app-launch.html and https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from fhir_server.access.actor import Role
from fhir_server.access.decide import Access
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.rest.oauth.problem import OAuthError, digest, new_secret
from fhir_server.rest.oauth.scopes import granted, needs_patient
from fhir_server.rest.tokens import Token
from fhir_server.store import oauth as store
from fhir_server.store.database import Database
from fhir_server.store.oauth import Client, Code, Holder

CODE_LASTS = timedelta(seconds=60)
LAUNCH_LASTS = timedelta(minutes=5)

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_VISIBLE = "SELECT 1 FROM resource r WHERE r.type = %s AND r.id = %s AND r.body IS NOT NULL"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What the app asks, checked as far as it can be before somebody signs in."""

    client: Client
    redirect_uri: str
    state: str
    scope: str
    challenge: str
    nonce: str
    launch: str

    def with_answer(self, issuer: str, **answer: str) -> str:
        """The address to send the browser to. https://www.rfc-editor.org/rfc/rfc9207"""
        return with_query(self.redirect_uri, **answer, state=self.state, iss=issuer)


def redirect_of(client: Client | None, given: Mapping[str, str]) -> str:
    """Where answers may go. Raises invalid_request: then the browser is sent nowhere."""
    uri = given.get("redirect_uri", "")
    if client is None or uri not in client.redirect_uris:
        raise OAuthError("invalid_request", "The app is not registered here, or not with this redirect_uri.")
    return uri


def read_request(
    client: Client, given: Mapping[str, str], audiences: tuple[str, ...]
) -> AuthorizationRequest:
    """The request behind a good redirect_uri. Raises OAuthError, which goes back to the app."""
    if given.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type is code.")
    if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
        given.get("code_challenge", "")
    ):
        raise OAuthError("invalid_request", "PKCE is needed: code_challenge with code_challenge_method S256.")
    if given.get("aud", "").rstrip("/") not in audiences:
        raise OAuthError("invalid_request", "aud is the address of the FHIR server that the token is for.")
    if not given.get("scope"):
        raise OAuthError("invalid_scope", "A scope is needed.")
    if not given.get("nonce", "").isprintable():
        raise OAuthError("invalid_request", "nonce is printable text.")
    names = ("redirect_uri", "state", "scope", "code_challenge", "nonce", "launch")
    return AuthorizationRequest(client, *(given.get(name, "") for name in names))


def scope_for(request: AuthorizationRequest, role: Role) -> str:
    """What this user can give the app. Raises invalid_scope where that is nothing, access_denied for accounts of machines."""
    if role is Role.SYSTEM:
        raise OAuthError("access_denied", "This account is not for apps.")
    found = granted(request.scope, request.client.scope, role)
    if not found:
        raise OAuthError("invalid_scope", "None of the scopes can be granted.")
    return found


def patient_for(
    request: AuthorizationRequest, scope: str, database: Database, access: Access, chosen: str, now: datetime
) -> str | None:
    """The patient in context: one's own, the launch's, or the one that was chosen. Raises access_denied where one is needed."""
    actor = access.actor
    if actor.role is Role.PATIENT:
        return actor.patient
    if request.launch:
        with database.transaction() as connection:
            chosen = store.launched_patient(connection, digest(request.launch), actor.subject, now)
        if not chosen:
            raise OAuthError("invalid_request", "The launch is not known, or has ended.")
    if not chosen and not needs_patient(scope):
        return None
    if not may_see_patient(database, access, chosen):
        raise OAuthError("access_denied", "The app needs a patient, and none was chosen.")
    return chosen


def may_see_patient(database: Database, access: Access, patient: str) -> bool:
    """Whether there is such a patient for this actor."""
    if not _ID.fullmatch(patient):
        return False
    allowed = access.on("r")
    with database.transaction() as connection:
        values = (TYPE_CODE["Patient"], patient, *allowed.values)
        return connection.execute(f"{_VISIBLE} AND ({allowed.text})", values).fetchone() is not None


def issue_code(
    request: AuthorizationRequest,
    scope: str,
    database: Database,
    session: Token,
    patient: str | None,
    now: datetime,
) -> str:
    """A code for what the user has given."""
    actor, code = session.actor, new_secret()
    holder = Holder(actor.subject, actor.role, actor.fhir_user, patient, scope, session.signed_in_at)
    kept = Code(
        request.client.client_id,
        request.redirect_uri,
        request.challenge,
        request.nonce,
        holder,
        now + CODE_LASTS,
    )
    with database.transaction() as connection:
        store.add_code(connection, digest(code), kept, now)
    return code


def make_launch(database: Database, username: str, patient: str, now: datetime) -> str:
    """The value `launch` for an app that this user starts on this patient (EHR launch)."""
    launch = new_secret()
    with database.transaction() as connection:
        store.add_launch(connection, digest(launch), username, patient, now + LAUNCH_LASTS)
    return launch


def with_query(uri: str, **parameters: str) -> str:
    """The address with more parameters; empty ones are left out."""
    added = urlencode({name: value for name, value in parameters.items() if value})
    return f"{uri}{'&' if '?' in uri else '?'}{added}"

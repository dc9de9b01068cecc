"""Apps, and how they show at the token endpoint who they are.

Public apps by their id alone (PKCE protects the code), confidential ones by a secret or by an assertion that they sign with a
registered key (private_key_jwt, RS384 or ES384). https://hl7.org/fhir/smart-app-launch/STU2/client-confidential-asymmetric.html
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus, urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.oauth.assertion import by_assertion, find, refusal
from fhir_server.rest.oauth.problem import digest, new_secret
from fhir_server.store import oauth as store
from fhir_server.store.database import Database
from fhir_server.store.oauth import Client


@dataclass(frozen=True, slots=True)
class Authenticated:
    """An app at the token endpoint; `by` is none, secret or key."""

    client: Client
    by: str


def register(
    database: Database,
    client_id: str,
    name: str,
    redirect_uris: tuple[str, ...],
    scope: str,
    *,
    confidential: bool = False,
    jwks: str = "",
) -> str:
    """Make or replace an app; the secret of a confidential one, which is shown this once. Raises BAD_REQUEST."""
    for uri in redirect_uris:
        _require_redirect(uri)
    if jwks:
        _require_public(jwks)
    secret = new_secret() if confidential and not jwks else ""
    client = Client(client_id, name, redirect_uris, scope, digest(secret) if secret else None, jwks or None)
    with database.transaction() as connection:
        store.put_client(connection, client)
    return secret


def _require_redirect(uri: str) -> None:
    parts = urlsplit(uri)
    is_local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    is_app = "." in parts.scheme
    if (
        not uri.isascii()
        or any(c in uri for c in " ;,'\"\\")
        or parts.fragment
        or not (parts.scheme == "https" or is_local or is_app)
    ):
        raise FhirError(
            Problem.BAD_REQUEST,
            "A redirect_uri is https, http on loopback, or a scheme of reversed domain; without fragment.",
        )


def _require_public(jwks: str) -> None:
    try:
        found = KeySet.import_key_set(json.loads(jwks))
    except (JoseError, ValueError, TypeError, KeyError):
        raise FhirError(Problem.BAD_REQUEST, "jwks: expected a JSON Web Key Set.") from None
    if not found.keys or not all(
        isinstance(k, RSAKey | ECKey) and k.kid and not k.is_private for k in found.keys
    ):
        raise FhirError(Problem.BAD_REQUEST, "jwks: expected public RSA or EC keys, each with its kid.")


def authenticate(
    database: Database, given: Mapping[str, str], header: str, audiences: tuple[str, ...], now: datetime
) -> Authenticated:
    """The app that asks. Raises invalid_client, which does not say whether the app is known."""
    if given.get("client_assertion"):
        return Authenticated(by_assertion(database, given, audiences, now), "key")
    client_id, secret = (
        _basic(header) if header else (given.get("client_id", ""), given.get("client_secret", ""))
    )
    client = find(database, client_id)
    if client is None or client.jwks:
        raise refusal()
    if client.secret_hash is None:
        if secret:
            raise refusal()
        return Authenticated(client, "none")
    if not secret or not hmac.compare_digest(client.secret_hash, digest(secret)):
        raise refusal()
    return Authenticated(client, "secret")


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise refusal() from None
    if scheme.lower() != "basic" or not colon:
        raise refusal()
    return unquote_plus(name), unquote_plus(secret)

"""private_key_jwt: an app signs who it is with a key that was registered for it.

RS384 or ES384, made for our token endpoint, good for five minutes, and once. The keys are those on record: an address in the
assertion's header (`jku`) is not visited. https://hl7.org/fhir/smart-app-launch/STU2/client-confidential-asymmetric.html
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, KeySet, RSAKey

from fhir_server.rest.oauth.problem import OAuthError, digest
from fhir_server.rest.tokens import LEEWAY, LONGEST
from fhir_server.store import oauth as store
from fhir_server.store.database import Database
from fhir_server.store.oauth import Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ("RS384", "ES384")
LASTS_AT_MOST = timedelta(minutes=5)
_MALFORMED = (
    JoseError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)


def find(database: Database, client_id: str) -> Client | None:
    """The app of this id."""
    if not client_id or not client_id.isprintable():
        return None
    with database.transaction() as connection:
        return store.find_client(connection, client_id)


def refusal() -> OAuthError:
    """The one answer to an app that does not show who it is."""
    return OAuthError("invalid_client", "The app is not known, or did not show that it is the one it says.")


def by_assertion(
    database: Database, given: Mapping[str, str], audiences: tuple[str, ...], now: datetime
) -> Client:
    """The app that signed. Raises invalid_client."""
    text = given["client_assertion"]
    if given.get("client_assertion_type") != ASSERTION_TYPE or len(text) > LONGEST or not text.isascii():
        raise refusal()
    try:
        client = _issuer(database, text)
        claims = jwt.decode(text, _keys_of(client), algorithms=list(ASSERTION_ALGORITHMS)).claims
        expires_at = _checked(claims, client, audiences, now)
    except _MALFORMED:
        raise refusal() from None
    if given.get("client_id", client.client_id) != client.client_id or not _is_first(
        database, client, claims, expires_at, now
    ):
        raise refusal()
    return client


def _issuer(database: Database, text: str) -> Client:
    """Who it says it is: read before it is verified, only to find the keys."""
    payload = text.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    client = find(database, str(claims["iss"]))
    if client is None or not client.jwks:
        raise ValueError("no such app")
    return client


def _keys_of(client: Client) -> Callable[[GuestProtocol], RSAKey | ECKey]:
    def key_of(header: GuestProtocol) -> RSAKey | ECKey:
        kid = header.headers()["kid"]
        for key in KeySet.import_key_set(json.loads(client.jwks or "")).keys:
            if isinstance(key, RSAKey | ECKey) and key.kid == kid:
                return key
        raise ValueError("no such key")

    return key_of


def _checked(
    claims: Mapping[str, Any], client: Client, audiences: tuple[str, ...], now: datetime
) -> datetime:
    """When it expires. Raises ValueError where a claim is missing or wrong."""
    expires_at, leeway = datetime.fromtimestamp(claims["exp"], UTC), timedelta(seconds=LEEWAY)
    meant_for = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    holds = (
        claims["iss"] == claims["sub"] == client.client_id,
        any(audience in audiences for audience in meant_for),
        now - leeway < expires_at <= now + LASTS_AT_MOST + leeway,
        bool(claims["jti"]) and isinstance(claims["jti"], str),
        datetime.fromtimestamp(claims.get("nbf", 0), UTC) <= now + leeway,
    )
    if not all(holds):
        raise ValueError("a claim is wrong")
    return expires_at


def _is_first(
    database: Database, client: Client, claims: Mapping[str, Any], expires_at: datetime, now: datetime
) -> bool:
    kept_until = expires_at + timedelta(seconds=2 * LEEWAY)
    with database.transaction() as connection:
        return store.is_first_use(connection, client.client_id, digest(claims["jti"]).hex(), kept_until, now)

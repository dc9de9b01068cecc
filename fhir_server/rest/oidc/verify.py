"""A token of the outside provider: its signature, its issuer, its audience and its times; and that it is an access token.

The key decides which algorithms count, never the token alone: https://www.rfc-editor.org/rfc/rfc8725
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol
from joserfc.jwt import JWTClaimsRegistry

from fhir_server.rest.oidc.claims import Names, actor_of
from fhir_server.rest.oidc.provider import ALGORITHMS, Key, Provider
from fhir_server.rest.tokens import LEEWAY, LONGEST, Token, refusal

TYPES = (None, "JWT", "at+jwt", "application/at+jwt")
"""Header `typ` of access tokens: RFC 9068's, or none in particular."""
OTHERS = ("ID", "Refresh", "Offline", "Logout")
"""Claim `typ` of Keycloak's tokens that are no access tokens."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """`audience`: what a token has to be meant for."""

    provider: Provider
    audience: str
    names: Names
    clock: Callable[[], datetime]

    def verify(self, text: str) -> Token:
        """The token. Raises UNAUTHENTICATED, and does not say what was wrong; UNAVAILABLE where the provider's keys cannot be had."""
        try:
            return self._verified(text)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            raise refusal() from None

    def _verified(self, text: str) -> Token:
        if len(text) > LONGEST or not text.isascii():
            raise ValueError("no token")
        found = jwt.decode(text, self._key, algorithms=list(ALGORITHMS))
        if found.header.get("typ") not in TYPES or found.claims.get("typ") in OTHERS:
            raise ValueError("no access token")
        now = int(self.clock().timestamp())
        _registry(self.provider.issuer, self.audience, now).validate(found.claims)
        return _token(found.claims, self.names, text)

    def _key(self, header: GuestProtocol) -> Key:
        told = header.headers()
        return self.provider.key(str(told["kid"]), str(told["alg"]))


def _registry(issuer: str, audience: str, now: int) -> JWTClaimsRegistry:
    return JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        sub={"essential": True},
    )


def _token(claims: dict[str, Any], names: Names, text: str) -> Token:
    jti = claims.get("jti") or sha256(text.encode()).hexdigest()
    issued, expires = (_moment(claims.get(name, claims["exp"])) for name in ("iat", "exp"))
    signed_in = _moment(claims["auth_time"]) if "auth_time" in claims else issued
    return Token(actor_of(claims, names), str(jti), issued, expires, signed_in)


def _moment(value: Any) -> datetime:
    return datetime.fromtimestamp(value, UTC)

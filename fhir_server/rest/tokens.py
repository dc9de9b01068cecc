"""Tokens: an Actor as a signed JWT, and back.

One algorithm, ours: `alg=none`, a symmetric one or a key that the token brings along never count. An access token and a session have
different types and audiences, so neither passes for the other. https://www.rfc-editor.org/rfc/rfc9068 and https://www.rfc-editor.org/rfc/rfc8725
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, RSAKey
from joserfc.jwt import JWTClaimsRegistry

from fhir_server.access.actor import Actor, Role
from fhir_server.access.scopes import parse_scopes, written
from fhir_server.r4.outcome import FhirError, Problem

HOUR = timedelta(hours=1)
LEEWAY = 5
"""Seconds by which two clocks may differ."""
LONGEST = 8192
"""Letters of a token at most; more is not looked at."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a token is for: the `typ` of its header, and what stands behind the issuer in its audience."""

    typ: str
    path: str


ACCESS = Kind("at+jwt", "/fhir")
SESSION = Kind("session+jwt", "/auth")


class Keys(Protocol):
    """Where the keys come from; keys.KeyRing has the real ones."""

    def signing(self) -> RSAKey: ...

    def verifying(self, kid: str) -> RSAKey | None: ...


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was verified: who bears it, its id, and its times. `signed_in_at`: when a password was last given."""

    actor: Actor
    jti: str
    issued_at: datetime
    expires_at: datetime
    signed_in_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and verifies. `issuer` is the server's address without a path; `is_revoked` asks about an id."""

    issuer: str
    keys: Keys
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    is_revoked: Callable[[str], bool] = lambda jti: False
    algorithm: str = "RS256"

    def issue(
        self,
        actor: Actor,
        lifetime: timedelta = HOUR,
        kind: Kind = ACCESS,
        *,
        signed_in_at: datetime | None = None,
        jti: str = "",
    ) -> str:
        """A token that bears the actor until `lifetime` has passed; `jti` where its id is to tell of a family."""
        signed_in = int((signed_in_at or self.clock()).timestamp())
        claims = {
            "aud": self.issuer + kind.path,
            "jti": jti or self.new_id(),
            "auth_time": signed_in,
            **_claims_of(actor),
        }
        return self.sign(claims, lifetime, kind.typ)

    def sign(self, claims: dict[str, Any], lifetime: timedelta, typ: str) -> str:
        """A JWT of ours with these claims, the issuer and the times."""
        key, now = self.keys.signing(), int(self.clock().timestamp())
        times = {"iat": now, "exp": now + int(lifetime.total_seconds())}
        header = {"alg": self.algorithm, "kid": key.kid, "typ": typ}
        return jwt.encode(header, {"iss": self.issuer, **claims, **times}, key, algorithms=[self.algorithm])

    def verify(self, text: str, kind: Kind = ACCESS) -> Token:
        """The token. Raises UNAUTHENTICATED, and does not say what was wrong with it."""
        try:
            token = self._verified(text, kind)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            raise refusal() from None
        if self.is_revoked(token.jti):
            raise refusal()
        return token

    def _verified(self, text: str, kind: Kind) -> Token:
        if len(text) > LONGEST or not text.isascii():
            raise ValueError("not a token of ours")
        found = jwt.decode(text, self._key, algorithms=[self.algorithm])
        if found.header.get("typ") != kind.typ:
            raise ValueError("a token of another type")
        self._registry(kind).validate(found.claims)
        return _token_of(found.claims)

    def _key(self, header: GuestProtocol) -> RSAKey:
        key = self.keys.verifying(str(header.headers()["kid"]))
        if key is None:
            raise ValueError("no such key")
        return key

    def _registry(self, kind: Kind) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=int(self.clock().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.issuer + kind.path},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
            role={"essential": True, "values": [role.value for role in Role]},
        )


def refusal() -> FhirError:
    """The one answer to whoever has no valid token."""
    return FhirError(Problem.UNAUTHENTICATED, "A valid token is needed: Authorization: Bearer ...")


def _claims_of(actor: Actor) -> dict[str, Any]:
    claims = {"sub": actor.subject, "role": actor.role.value, "scope": written(actor.scopes)}
    named = {"fhirUser": actor.fhir_user, "patient": actor.patient, "client_id": actor.client}
    return claims | {name: value for name, value in named.items() if value}


def _token_of(claims: dict[str, Any]) -> Token:
    patient = claims.get("patient")
    actor = Actor(
        Role(claims["role"]),
        _text(claims["sub"]),
        _text(claims.get("fhirUser", "")),
        _text(patient) if patient is not None else None,
        parse_scopes(_text(claims.get("scope", ""))),
        _text(claims.get("client_id", "")),
    )
    times = (_moment(claims[name]) for name in ("iat", "exp", "auth_time"))
    return Token(actor, _text(claims["jti"]), *times)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a claim that is not a text")
    return value


def _moment(value: Any) -> datetime:
    return datetime.fromtimestamp(value, UTC)

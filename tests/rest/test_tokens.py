"""Tokens: what was signed comes back, and nothing else counts. https://www.rfc-editor.org/rfc/rfc8725"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.access.actor import Actor, Role
from fhir_server.access.scopes import parse_scopes
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.tokens import ACCESS, SESSION, Tokens

NOON = datetime(2024, 6, 15, 12, tzinfo=UTC)


@dataclass
class Ring:
    """Keys in memory; the last one signs."""

    keys: list[RSAKey] = field(default_factory=lambda: [RSAKey.generate_key(2048, auto_kid=True)])

    def signing(self) -> RSAKey:
        return self.keys[-1]

    def verifying(self, kid: str) -> RSAKey | None:
        return next((key for key in self.keys if key.kid == kid), None)


RING = Ring()
OTHER = RSAKey.generate_key(2048, auto_kid=True)
TOKENS = Tokens("https://chart.example", RING, lambda: NOON, lambda: "id-1")
ACTOR = Actor(
    Role.CLINICIAN,
    "kim",
    "Practitioner/7",
    "a",
    parse_scopes("user/*.rs patient/Observation.rs?category=laboratory"),
    "app",
)


def _refused(text: str, tokens: Tokens = TOKENS) -> str:
    with pytest.raises(FhirError) as caught:
        tokens.verify(text)
    assert caught.value.problem is Problem.UNAUTHENTICATED
    return str(caught.value)


def test_an_actor_comes_back_as_it_was() -> None:
    found = TOKENS.verify(TOKENS.issue(ACTOR))
    assert found.actor == ACTOR
    assert (found.jti, found.issued_at, found.expires_at) == ("id-1", NOON, NOON + timedelta(hours=1))


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(NOON.timestamp())
    claims: dict[str, Any] = {
        "iss": "https://chart.example",
        "aud": "https://chart.example/fhir",
        "sub": "kim",
        "role": "clinician",
        "jti": "x",
    }
    claims |= {"iat": now, "exp": now + 60, "auth_time": now, "scope": "user/*.rs"}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def _signed(claims: dict[str, Any], key: Any = None, **header: Any) -> str:
    key = key or RING.signing()
    found = {"alg": "RS256", "kid": RING.signing().kid, "typ": "at+jwt", **header}
    return jwt.encode(found, claims, key, algorithms=["RS256", "RS384", "PS256", "HS256", "ES256"])


def test_a_token_made_by_hand_with_our_key_counts() -> None:
    assert TOKENS.verify(_signed(_claims())).actor.subject == "kim"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(NOON.timestamp()) - 10}, {"exp": None}, {"exp": "soon"}, {"iss": "https://evil.example"}, {"iss": None},
        {"aud": "https://other.example/fhir"}, {"aud": None}, {"aud": "https://chart.example/auth"}, {"sub": None}, {"role": None},
        {"role": "root"}, {"role": ["system"]}, {"jti": None}, {"iat": None}, {"iat": int(NOON.timestamp()) + 3600},
        {"scope": ["system/*.cruds"]}, {"patient": ["a"]}, {"sub": {"a": 1}}, {"nbf": int(NOON.timestamp()) + 3600}, {"auth_time": None},
        {"exp": 10**400},
    ],
)  # fmt: skip
def test_a_claim_that_is_missing_or_wrong_is_refused(changes: dict[str, Any]) -> None:
    _refused(_signed(_claims(**changes)))


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _unsigned(alg: str) -> str:
    header = {"alg": alg, "typ": "at+jwt", "kid": RING.signing().kid}
    return ".".join(
        [_encoded(json.dumps(header).encode()), _encoded(json.dumps(_claims(role="system")).encode()), ""]
    )


def _by_shared_secret(secret: bytes) -> str:
    text = _unsigned("HS256").rstrip(".")
    return f"{text}.{_encoded(hmac.digest(secret, text.encode(), 'sha256'))}"


EC = ECKey.generate_key("P-256")

FORGED: dict[str, str] = {
    "alg none": _unsigned("none"),
    "alg None": _unsigned("None"),
    "alg missing": _unsigned(""),
    "our public key as a shared secret": _by_shared_secret(RING.signing().as_pem(private=False)),
    "an empty shared secret": _by_shared_secret(b""),
    "a key of somebody else under our key's id": _signed(_claims(), OTHER),
    "a key of somebody else under its own id": _signed(_claims(), OTHER, kid=OTHER.kid),
    "a key that it brings along": _signed(_claims(), OTHER, jwk=OTHER.as_dict(private=False)),
    "a key at an address": _signed(_claims(), OTHER, jku="https://evil.example/jwks"),
    "another algorithm with our key": _signed(_claims(), alg="RS384"),
    "another algorithm with its own key": _signed(_claims(), EC, alg="ES256"),
    "no key id": jwt.encode({"alg": "RS256", "typ": "at+jwt"}, _claims(), RING.signing()),
    "a session": TOKENS.issue(ACTOR, kind=SESSION),
    "another type": _signed(_claims(), typ="JWT"),
    "a critical header": _signed(_claims()).replace(".", "..", 1),
    "cut off": TOKENS.issue(ACTOR)[:-5],
    "too long": "a" * 10_000,
    "empty": "",
    "not ascii": "é.é.é",
}


@pytest.mark.parametrize("name", list(FORGED))
def test_a_forged_token_is_refused(name: str) -> None:
    _refused(FORGED[name])


def test_a_token_whose_claims_were_changed_is_refused() -> None:
    head, body, tail = TOKENS.issue(Actor.of_patient("a")).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "patient": "b"}).encode()).rstrip(b"=").decode()
    _refused(f"{head}.{changed}.{tail}")


def test_the_answer_never_says_what_was_wrong() -> None:
    assert len({_refused(text) for text in (*FORGED.values(), _signed(_claims(exp=1)))}) == 1


def test_an_access_token_is_no_session() -> None:
    with pytest.raises(FhirError):
        TOKENS.verify(TOKENS.issue(ACTOR), SESSION)
    assert TOKENS.verify(TOKENS.issue(ACTOR, kind=SESSION), SESSION).actor == ACTOR


def test_a_token_ends_in_time() -> None:
    text = TOKENS.issue(ACTOR, timedelta(minutes=5))
    later = replace(TOKENS, clock=lambda: NOON + timedelta(minutes=6))
    _refused(text, later)


def test_a_revoked_token_is_refused() -> None:
    _refused(TOKENS.issue(ACTOR), replace(TOKENS, is_revoked=lambda jti: jti == "id-1"))


def test_an_older_key_still_verifies_after_a_rotation() -> None:
    ring = Ring()
    tokens = replace(TOKENS, keys=ring)
    before = tokens.issue(ACTOR)
    ring.keys.append(OTHER)
    after = tokens.issue(ACTOR)
    assert tokens.verify(before).actor == tokens.verify(after).actor == ACTOR
    ring.keys.pop(0)
    _refused(before, tokens)


@given(
    st.text(max_size=200)
    | st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,40}", fullmatch=True)
)
def test_no_text_is_a_token(text: str) -> None:
    _refused(text)


def test_the_type_of_an_access_token_is_that_of_rfc_9068() -> None:
    assert ACCESS.typ == "at+jwt"

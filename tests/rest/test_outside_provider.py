"""An outside OpenID provider issues the tokens: those count, for what they say, and no others do.

https://www.rfc-editor.org/rfc/rfc8725, https://www.rfc-editor.org/rfc/rfc9068
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, RSAKey

from fhir_server.access.actor import Role
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.auth import auth_of, issue_token
from fhir_server.rest.oidc.provider import FRESH, LOOK_AGAIN_AFTER, STALE
from fhir_server.rest.tokens import refusal
from fhir_server.settings import ConfigurationError, Settings
from tests.rest.provider import AUDIENCE, Key, Stub, providing
from tests.service import context_of, put
from tests.serving import Running, serving

RSA = RSAKey.generate_key(2048, auto_kid=True)
P256 = ECKey.generate_key("P-256", auto_kid=True)
P384 = ECKey.generate_key("P-384", auto_kid=True)
P521 = ECKey.generate_key("P-521", auto_kid=True)
OTHER = RSAKey.generate_key(2048, auto_kid=True)
KEYS: dict[str, Key] = {"rsa": RSA, "p256": P256, "p384": P384, "p521": P521}
RECORD: dict[str, dict[str, Any]] = {
    "Patient/ann": {"name": [{"family": "Zyxwood"}]},
    "Patient/bob": {"name": [{"family": "Quillfeather"}]},
    "Observation/o": {"subject": {"reference": "Patient/ann"}, "status": "final"},
}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with providing(dict(KEYS)) as found:
        yield found


@pytest.fixture
def server(dsn: str, stub: Stub) -> Iterator[Running]:
    """The server, whose tokens come from the stub."""
    with serving(
        dsn, oidc_issuer=stub.issuer, oidc_audience=AUDIENCE, base_url="https://chart.example"
    ) as running:
        put(context_of(running.service), RECORD)
        yield running


def asked(server: Running, token: str, path: str = "Patient/ann") -> httpx.Response:
    with server.client(headers={"authorization": f"Bearer {token}"}) as client:
        return client.get(f"/{path}")


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "ES256", "ES384"])
def test_a_token_of_the_provider_counts(server: Running, stub: Stub, algorithm: str) -> None:
    assert asked(server, stub.token(algorithm)).status_code == 200


def without_signature(token: str, algorithm: str) -> str:
    head, body, _ = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(head + "==")) | {"alg": algorithm}
    return f"{base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b'=').decode()}.{body}."


def hour(hours: float) -> int:
    return int((datetime.now(UTC) + timedelta(hours=hours)).timestamp())


def confused(stub: Stub) -> str:
    """The public key, which everybody has, as the secret of an HMAC."""
    said = {
        "iss": stub.issuer,
        "aud": AUDIENCE,
        "sub": "u",
        "exp": hour(1),
        "role": "system",
        "scope": "system/*.cruds",
    }
    signed = f"{part({'alg': 'HS256', 'kid': RSA.kid})}.{part(said)}"
    seal = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


def part(value: dict[str, Any]) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def critical(stub: Stub) -> str:
    """Signed by the provider, with a header that asks for something nobody here knows."""
    _, said, _ = stub.token().split(".")
    signed = f"{part({'alg': 'RS256', 'kid': RSA.kid, 'crit': ['x'], 'x': 1})}.{said}"
    seal = RSA.raw_value.sign(signed.encode(), PKCS1v15(), SHA256())  # type: ignore[union-attr]
    return f"{signed}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


FORGED: dict[str, Callable[[Stub], str]] = {
    "no signature": lambda s: without_signature(s.token(), "none"),
    "no signature, other spelling": lambda s: without_signature(s.token(), "nOnE"),
    "the public key as a secret": confused,
    "a key of somebody else's under a known id": lambda s: s.token(key=OTHER, header={"kid": RSA.kid}),
    "a key that nobody knows": lambda s: s.token(key=OTHER),
    "a key that the token brings along": lambda s: s.token(
        key=OTHER, header={"jwk": OTHER.as_dict(private=False)}
    ),
    "a key at an address of the token's": lambda s: s.token(
        key=OTHER, header={"jku": "https://evil.example/jwks"}
    ),
    "an algorithm that is not on the list": lambda s: s.token("RS512"),
    "probabilistic RSA": lambda s: s.token("PS256"),
    "a curve that is not on the list": lambda s: s.token("ES512"),
    "another audience": lambda s: s.token(aud="https://other.example/fhir"),
    "an audience that starts alike": lambda s: s.token(aud=AUDIENCE + "/x"),
    "no audience": lambda s: s.token(aud=None),
    "another issuer": lambda s: s.token(iss="https://evil.example"),
    "the issuer with a slash more": lambda s: s.token(iss=s.issuer + "/"),
    "no issuer": lambda s: s.token(iss=None),
    "expired": lambda s: s.token(exp=hour(-1)),
    "without an end": lambda s: s.token(exp=None),
    "not yet": lambda s: s.token(nbf=hour(1)),
    "no subject": lambda s: s.token(sub=None),
    "an id token": lambda s: s.token(typ="ID"),
    "a refresh token": lambda s: s.token(typ="Refresh"),
    "a token of another type": lambda s: s.token(header={"typ": "logout+jwt"}),
    "a header that has to be understood": critical,
    "no role": lambda s: s.token(role=None),
    "a role that nobody has": lambda s: s.token(role="admin"),
    "two roles": lambda s: s.token(role=["patient", "clinician"]),
    "a role that is no text": lambda s: s.token(role={"system": True}),
    "a patient that is no id": lambda s: s.token(patient="ann/../bob"),
    "a patient without a record": lambda s: s.token(role="patient", fhirUser=None),
    "a patient and another's record": lambda s: s.token(
        role="patient", fhirUser="Patient/ann", patient="bob"
    ),
    "a patient who is a practitioner": lambda s: s.token(role="patient", patient="ann"),
    "scopes that are no text": lambda s: s.token(scope=["user/*.cruds", 7]),
    "an end that is no number": lambda s: s.token(exp="tomorrow"),
    "rubbish": lambda s: "a.b.c",
    "nothing": lambda s: "",
    "letters of everywhere": lambda s: "é.é.é",
}


@pytest.mark.parametrize("name", FORGED)
def test_whatever_else_comes_does_not_count_and_nobody_is_told_why(
    server: Running, stub: Stub, name: str
) -> None:
    token = FORGED[name](stub)
    auth = auth_of(server.service)
    assert auth.verifier is not None
    with pytest.raises(FhirError) as caught:
        auth.verifier.verify(token)
    assert caught.value.problem is Problem.UNAUTHENTICATED
    assert str(caught.value) == str(refusal())
    if token and token.isascii():
        assert asked(server, token).status_code == 401


def test_a_token_of_the_embedded_server_does_not_count(server: Running, stub: Stub) -> None:
    service = server.service
    service.settings = replace(service.settings, oidc_issuer="")
    own = issue_token(service, Role.SYSTEM)
    assert asked(server, own).status_code == 401
    with server.client(cookies={"chartline": own}) as client:
        assert client.get("/Patient/ann").status_code == 401


def test_the_embedded_server_is_off(server: Running, stub: Stub) -> None:
    with httpx.Client(base_url=server.base.removesuffix("/fhir")) as client:
        login = client.post("/auth/login", json={"username": "a", "password": "b"})
        assert (login.status_code, client.post("/auth/token").status_code) == (403, 403)
        assert client.get("/auth/authorize").status_code == 403
        assert client.get("/auth/me").status_code == 401
        assert client.get("/auth/jwks").status_code == 404
        assert client.post("/auth/introspect").status_code == 404
        assert client.get("/.well-known/openid-configuration").status_code == 404
    with pytest.raises(FhirError):
        issue_token(server.service, Role.SYSTEM)


def test_smart_discovery_points_to_the_provider(server: Running, stub: Stub) -> None:
    with server.client() as client:
        found = client.get("/.well-known/smart-configuration").json()
    assert found["token_endpoint"] == f"{stub.issuer}/token"
    assert found["issuer"] == stub.issuer
    assert {"permission-v1", "permission-v2"} <= set(found["capabilities"])


def test_a_patient_reads_the_own_record_and_no_other(server: Running, stub: Stub) -> None:
    token = stub.token(role="patient", fhirUser="Patient/ann", scope="patient/*.rs")
    assert asked(server, token).status_code == 200
    assert asked(server, token, "Patient/bob").status_code == 404
    assert asked(server, token, "Observation").json()["total"] == 1


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("openid profile", 403),
        ("user/Patient.rs", 200),
        ("user/Observation.rs", 403),
        ("system/*.cruds", 403),
        (None, 403),
    ],
)
def test_scopes_narrow_the_role_and_none_mean_no_access(
    server: Running, stub: Stub, scope: str | None, status: int
) -> None:
    assert asked(server, stub.token(scope=scope)).status_code == status


def test_claims_may_have_other_names(dsn: str, stub: Stub) -> None:
    names = {"oidc_role_claim": "realm_access.roles", "oidc_patient_claim": "https://x.example/patient"}
    with serving(dsn, oidc_issuer=stub.issuer, oidc_audience=AUDIENCE, **names) as running:
        put(context_of(running.service), RECORD)
        who: dict[str, Any] = {
            "role": None,
            "fhirUser": None,
            "https://x.example/patient": "ann",
            "scope": "patient/*.rs",
        }
        token = stub.token(**who, realm_access={"roles": ["offline_access", "patient"]})
        assert asked(running, token).status_code == 200
        assert asked(running, token, "Patient/bob").status_code == 404


class Held:
    """A clock that the test holds."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def test_keys_are_kept_and_a_new_one_is_found_when_it_turns_up(dsn: str) -> None:
    with (
        providing({"rsa": RSA}) as own,
        serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running,
    ):
        put(context_of(running.service), RECORD)
        held = Held()
        running.service.clock = held
        assert [asked(running, own.token()).status_code for _ in range(3)] == [200] * 3
        assert len(own.asked) == 2
        own.keys = {"other": OTHER}
        assert asked(running, own.token()).status_code == 401
        assert len(own.asked) == 2
        held.now += LOOK_AGAIN_AFTER
        assert asked(running, own.token()).status_code == 200
        assert len(own.asked) == 4
        assert asked(running, own.token(key=RSA)).status_code == 401


def test_unknown_key_ids_do_not_make_the_server_ask_again_and_again(dsn: str) -> None:
    with (
        providing({"rsa": RSA}) as own,
        serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running,
    ):
        for n in range(20):
            asked(running, own.token(key=OTHER, header={"kid": f"k-{n}"}))
        assert len(own.asked) == 2


def test_a_key_that_was_taken_back_stops_counting(dsn: str) -> None:
    with (
        providing(dict(KEYS)) as own,
        serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running,
    ):
        put(context_of(running.service), RECORD)
        held = Held()
        running.service.clock = held
        assert asked(running, own.token()).status_code == 200
        del own.keys["rsa"]
        held.now += FRESH
        assert asked(running, own.token(key=RSA, exp=hour(2))).status_code == 401


def test_where_the_provider_is_away_known_keys_serve_for_a_while(dsn: str) -> None:
    with (
        providing(dict(KEYS)) as own,
        serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running,
    ):
        put(context_of(running.service), RECORD)
        held = Held()
        running.service.clock = held
        assert asked(running, own.token(exp=hour(9))).status_code == 200
        own.is_away = True
        held.now += FRESH + timedelta(seconds=1)
        assert asked(running, own.token(exp=hour(9))).status_code == 200
        held.now += STALE
        assert asked(running, own.token(exp=hour(9))).status_code == 503


def test_a_provider_that_was_never_there_is_no_way_in(dsn: str) -> None:
    with (
        providing(dict(KEYS)) as own,
        serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running,
    ):
        own.is_away = True
        assert asked(running, own.token()).status_code == 503


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://evil.example/certs"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
)
def test_a_document_that_does_not_speak_for_the_issuer_is_not_believed(
    dsn: str, document: dict[str, Any]
) -> None:
    with (
        providing(dict(KEYS)) as own,
        serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running,
    ):
        own.document = document
        assert asked(running, own.token()).status_code == 503


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_small_keys_and_keys_for_encryption_do_not_sign(dsn: str) -> None:
    weak = RSAKey.generate_key(1024, auto_kid=True)
    sealing = RSAKey.generate_key(2048, {"use": "enc"}, auto_kid=True)
    bound = RSAKey.generate_key(2048, {"alg": "RS384"}, auto_kid=True)
    keys: dict[str, Key] = {"weak": weak, "sealing": sealing, "bound": bound}
    with providing(keys) as own, serving(dsn, oidc_issuer=own.issuer, oidc_audience=AUDIENCE) as running:
        put(context_of(running.service), RECORD)
        plain = RSAKey.import_key({k: v for k, v in sealing.as_dict(private=True).items() if k != "use"})
        assert asked(running, own.token(key=weak)).status_code == 401
        assert asked(running, own.token(key=plain)).status_code == 401
        loose = RSAKey.import_key({k: v for k, v in bound.as_dict(private=True).items() if k != "alg"})
        assert asked(running, own.token("RS256", key=loose)).status_code == 401
        assert asked(running, own.token("RS384", key=bound)).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {
            "CHARTLINE_OIDC_ISSUER": "http://id.example/realms/r",
            "CHARTLINE_BASE_URL": "https://chart.example",
        },
        {"CHARTLINE_OIDC_ISSUER": "https://id.example"},
        {
            "CHARTLINE_OIDC_ISSUER": "https://id.example",
            "CHARTLINE_BASE_URL": "https://c.example",
            "CHARTLINE_AUTH": "off",
        },
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        Settings.load(given)

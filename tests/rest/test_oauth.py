"""SMART on FHIR: the whole way of an app, and the ways that are closed. https://hl7.org/fhir/smart-app-launch/STU2/"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.testclient import TestClient

from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.app import create_app
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.update import update
from fhir_server.r4.outcome import FhirError
from fhir_server.rest.auth import auth_of
from fhir_server.rest.oauth.authorize import make_launch
from fhir_server.rest.oauth.clients import register
from fhir_server.rest.oauth.grants import challenge_of
from fhir_server.rest.oauth.pages import in_words
from fhir_server.rest.oauth.routes import oauth_router
from fhir_server.rest.oauth.scopes import granted
from fhir_server.rest.signin import put_user
from fhir_server.rest.signin_routes import auth_router
from fhir_server.service import open_service
from fhir_server.settings import Settings
from fhir_server.store import access as store
from fhir_server.store.access import User

NOON = datetime(2024, 6, 15, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
BASE = "http://testserver"
CALLBACK = "https://app.example/callback"
VERIFIER = "v" * 43
EVERYTHING = "openid fhirUser launch launch/patient offline_access patient/*.rs user/*.cruds"
RSA = RSAKey.generate_key(2048, auto_kid=True)
EC = ECKey.generate_key("P-384", auto_kid=True)
JWKS = json.dumps({"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]})

Json = dict[str, Any]
Response = Any
"""What the test client answers with; its library depends on the version of Starlette."""


@dataclass
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(dsn: str, clock: Clock) -> Iterator[Service]:
    found = open_service(Settings(base_url=BASE), dsn)
    found.clock = clock
    context = Context(found, decide(Actor.system(), Purpose.HSYSADMIN), f"{BASE}/fhir")
    for patient in ("a", "b"):
        update(context, "Patient", patient, {"resourceType": "Patient", "id": patient})
    put_user(found.database, User("anna", "", Role.PATIENT, "Patient/a", "a"), PASSWORD)
    put_user(found.database, User("kim", "", Role.CLINICIAN, "Practitioner/7"), PASSWORD)
    put_user(found.database, User("robot", "", Role.SYSTEM), PASSWORD)
    register(found.database, "app", "Growth <b>chart", (CALLBACK, "http://localhost:9/cb?x=1"), EVERYTHING)
    register(found.database, "narrow", "Narrow", (CALLBACK,), "patient/Observation.rs launch/patient")
    register(found.database, "backend", "Nightly", (), "system/*.rs", jwks=JWKS)
    yield found
    found.database.close()


@pytest.fixture
def browser(service: Service) -> TestClient:
    app = FastAPI()
    app.include_router(auth_router(service))
    app.include_router(oauth_router(service))
    return TestClient(app, base_url=BASE, follow_redirects=False, headers={"origin": BASE})


def _request(**changes: str) -> dict[str, str]:
    asked = {
        "response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid fhirUser launch/patient patient/*.rs",
        "state": "s-1", "aud": f"{BASE}/fhir", "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256", "nonce": "n-1",
    }  # fmt: skip
    return {name: value for name, value in {**asked, **changes}.items() if value}


def _sign_in(browser: TestClient, username: str = "anna") -> None:
    assert browser.post("/auth/login", json={"username": username, "password": PASSWORD}).status_code == 200


def _decide(browser: TestClient, asked: dict[str, str], **form: str) -> Response:
    return browser.post("/auth/authorize", data={"request": urlencode(asked), "decision": "allow", **form})


def _answer(response: Response) -> dict[str, str]:
    """The parameters that the app is called back with."""
    assert response.status_code == 303, response.text
    assert response.headers["location"].startswith(f"{CALLBACK}?")
    return {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()
    }


def _code(browser: TestClient, **changes: str) -> str:
    return _answer(_decide(browser, _request(**changes)))["code"]


def _exchange(browser: TestClient, code: str, **changes: str) -> Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": "app",
        "code_verifier": VERIFIER,
    }
    return browser.post("/auth/token", data={**form, **changes})


def _refresh(browser: TestClient, token: str, **changes: str) -> Response:
    return browser.post(
        "/auth/token",
        data={"grant_type": "refresh_token", "refresh_token": token, "client_id": "app", **changes},
    )


def _error(response: Response) -> str:
    assert response.status_code in (400, 401)
    assert response.headers["cache-control"] == "no-store"
    return str(response.json()["error"])


def test_an_app_gets_a_token_by_way_of_the_user(service: Service, browser: TestClient) -> None:
    first = browser.get("/auth/authorize", params=_request())
    refreshed = re.search(r'url=([^"]+)"', first.text)
    assert refreshed
    second = browser.get(unescape(refreshed[1]))
    assert "Password" in second.text
    next_path = re.search(r'name="next" value="([^"]+)"', second.text)
    assert next_path
    signed_in = browser.post(
        "/auth/login", data={"username": "anna", "password": PASSWORD, "next": unescape(next_path[1])}
    )
    assert signed_in.status_code == 303
    page = browser.get(signed_in.headers["location"])
    assert "Growth &lt;b&gt;chart asks for access" in page.text
    assert "read, search: all data of the patient" in page.text
    asked = re.search(r'name="request" value="([^"]+)"', page.text)
    assert asked
    answer = _answer(
        browser.post("/auth/authorize", data={"request": unescape(asked[1]), "decision": "allow"})
    )
    assert (answer["state"], answer["iss"]) == ("s-1", BASE)
    given = _exchange(browser, answer["code"]).json()
    assert (given["patient"], given["token_type"], given["expires_in"]) == ("a", "Bearer", 3600)
    assert given["scope"] == "openid fhirUser launch/patient patient/*.rs"
    assert "refresh_token" not in given
    actor = auth_of(service).tokens.verify(given["access_token"]).actor
    assert (actor.role, actor.subject, actor.patient, actor.client) == (Role.PATIENT, "anna", "a", "app")
    claims = jwt.decode(given["id_token"], auth_of(service).keys.signing(), algorithms=["RS256"]).claims
    assert (claims["aud"], claims["sub"], claims["nonce"], claims["fhirUser"]) == (
        "app",
        "anna",
        "n-1",
        f"{BASE}/fhir/Patient/a",
    )


def test_an_id_token_is_no_access_token(service: Service, browser: TestClient) -> None:
    _sign_in(browser)
    with pytest.raises(FhirError):
        auth_of(service).tokens.verify(_exchange(browser, _code(browser)).json()["id_token"])


def test_the_pages_load_nothing_and_are_framed_by_nobody(browser: TestClient) -> None:
    _sign_in(browser)
    headers = browser.get("/auth/authorize", params=_request()).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.endswith("form-action 'self' https://app.example")
    assert headers["x-frame-options"] == "DENY"


def test_a_user_may_refuse(browser: TestClient) -> None:
    _sign_in(browser)
    answer = _answer(_decide(browser, _request(), decision="deny"))
    assert (answer["error"], answer["state"]) == ("access_denied", "s-1")
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"}, {"client_id": ""}, {"redirect_uri": ""}, {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/"}, {"redirect_uri": CALLBACK + "?x=1"}, {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": "https://app.example.evil.example/callback"}, {"redirect_uri": CALLBACK + "#x"}, {"client_id": "a\x00"},
    ],
)  # fmt: skip
def test_nobody_is_sent_where_the_app_is_not_registered(browser: TestClient, changes: dict[str, str]) -> None:
    for response in (
        browser.get("/auth/authorize", params=_request(**changes)),
        _signed_decision(browser, changes),
    ):
        assert response.status_code == 400
        assert "location" not in response.headers
        assert "evil" not in response.text


def _signed_decision(browser: TestClient, changes: dict[str, str]) -> Response:
    _sign_in(browser)
    return _decide(browser, _request(**changes))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"aud": "https://evil.example/fhir"}, "invalid_request"),
        ({"aud": ""}, "invalid_request"),
        ({"nonce": "a\x00b"}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "system/*.cruds"}, "invalid_scope"),
        ({"launch": "made up", "scope": "launch patient/*.rs"}, ""),
    ],
)
def test_a_wrong_request_goes_back_to_the_app(
    browser: TestClient, changes: dict[str, str], error: str
) -> None:
    _sign_in(browser)
    answer = _answer(_decide(browser, _request(**changes)))
    assert answer.get("error", "") == error
    assert answer["state"] == "s-1"


def test_a_parameter_that_comes_twice_is_refused(browser: TestClient) -> None:
    response = browser.get(f"/auth/authorize?{urlencode(_request())}&client_id=narrow")
    assert response.status_code == 400


def test_no_code_without_a_session_or_from_another_page(service: Service, browser: TestClient) -> None:
    assert _decide(browser, _request()).status_code == 401
    _sign_in(browser)
    foreign = browser.post(
        "/auth/authorize",
        data={"request": urlencode(_request()), "decision": "allow"},
        headers={"origin": "https://evil.example"},
    )
    assert foreign.status_code == 403
    token = _exchange(browser, _code(browser)).json()["access_token"]
    browser.cookies.clear()
    by_token = browser.post(
        "/auth/authorize",
        data={"request": urlencode(_request()), "decision": "allow"},
        headers={"authorization": f"Bearer {token}"},
    )
    assert by_token.status_code == 401


def test_accounts_of_machines_are_not_for_apps(browser: TestClient) -> None:
    _sign_in(browser, "robot")
    assert _answer(_decide(browser, _request()))["error"] == "access_denied"


def test_a_code_counts_once_and_its_second_use_takes_everything_back(
    service: Service, browser: TestClient
) -> None:
    _sign_in(browser)
    code = _code(browser, scope="patient/*.rs offline_access")
    given = _exchange(browser, code).json()
    assert _error(_exchange(browser, code)) == "invalid_grant"
    with pytest.raises(FhirError):
        auth_of(service).tokens.verify(given["access_token"])
    assert _error(_refresh(browser, given["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "http://localhost:9/cb?x=1"},
        {"redirect_uri": ""},
        {"client_id": "narrow"},
    ],
)
def test_a_stolen_code_is_worth_nothing_and_is_used_up(browser: TestClient, changes: dict[str, str]) -> None:
    _sign_in(browser)
    code = _code(browser)
    assert _error(_exchange(browser, code, **changes)) == "invalid_grant"
    assert _error(_exchange(browser, code)) == "invalid_grant"


def test_a_code_ends_after_a_minute(browser: TestClient, clock: Clock) -> None:
    _sign_in(browser)
    code = _code(browser)
    clock.turn(seconds=61)
    assert _error(_exchange(browser, code)) == "invalid_grant"


def test_side_by_side_a_code_still_counts_once(browser: TestClient) -> None:
    _sign_in(browser)
    code = _code(browser)
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: _exchange(browser, code).status_code, range(4)))
    assert sorted(statuses) == [200, 400, 400, 400]


def test_a_refresh_token_is_turned_over_and_an_old_one_ends_the_grant(
    service: Service, browser: TestClient
) -> None:
    _sign_in(browser)
    first = _exchange(browser, _code(browser, scope="patient/*.rs offline_access")).json()
    second = _refresh(browser, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["patient"] == "a"
    narrowed = _refresh(browser, second["refresh_token"], scope="patient/*.rs").json()
    assert narrowed["scope"] == "patient/*.rs"
    assert _error(_refresh(browser, first["refresh_token"])) == "invalid_grant"
    assert _error(_refresh(browser, narrowed["refresh_token"])) == "invalid_grant"
    for given in (first, second, narrowed):
        with pytest.raises(FhirError):
            auth_of(service).tokens.verify(given["access_token"])


def test_a_refresh_never_widens(browser: TestClient) -> None:
    _sign_in(browser)
    given = _exchange(browser, _code(browser, scope="patient/Observation.rs offline_access")).json()
    assert _error(_refresh(browser, given["refresh_token"], scope="patient/*.rs")) == "invalid_scope"
    assert _refresh(browser, given["refresh_token"]).status_code == 200


def test_a_refresh_token_of_another_app_does_not_count_and_does_no_harm(browser: TestClient) -> None:
    _sign_in(browser)
    given = _exchange(browser, _code(browser, scope="patient/*.rs offline_access")).json()
    assert _error(_refresh(browser, given["refresh_token"], client_id="narrow")) == "invalid_grant"
    assert _refresh(browser, given["refresh_token"]).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "x.y", "é.é", "\x00.\x00"])
def test_no_text_is_a_refresh_token(browser: TestClient, token: str) -> None:
    assert _error(_refresh(browser, token)) == "invalid_grant"


def test_a_refresh_ends_with_the_user(service: Service, browser: TestClient) -> None:
    _sign_in(browser)
    given = _exchange(browser, _code(browser, scope="patient/*.rs offline_access")).json()
    with service.database.transaction() as connection:
        store.remove_user(connection, "anna")
    assert _error(_refresh(browser, given["refresh_token"])) == "invalid_grant"


def test_a_refresh_ends_after_thirty_days(browser: TestClient, clock: Clock) -> None:
    _sign_in(browser)
    given = _exchange(browser, _code(browser, scope="patient/*.rs offline_access")).json()
    clock.turn(days=30, seconds=1)
    assert _error(_refresh(browser, given["refresh_token"])) == "invalid_grant"


def test_a_clinician_chooses_a_patient_for_the_app(service: Service, browser: TestClient) -> None:
    _sign_in(browser, "kim")
    assert 'name="patient"' in browser.get("/auth/authorize", params=_request()).text
    code = _answer(_decide(browser, _request(), patient="b"))["code"]
    given = _exchange(browser, code).json()
    assert given["patient"] == "b"
    access = auth_of(service).access(auth_of(service).tokens.verify(given["access_token"]).actor)
    assert "compartment" in access.on("r").text or "patients @>" in access.on("r").text
    for wrong in ("", "nobody", "a' OR '1'='1", "../b"):
        assert _answer(_decide(browser, _request(), patient=wrong))["error"] == "access_denied"


def test_a_patient_cannot_choose_another(browser: TestClient) -> None:
    _sign_in(browser)
    assert 'name="patient"' not in browser.get("/auth/authorize", params=_request()).text
    code = _answer(_decide(browser, _request(), patient="b"))["code"]
    assert _exchange(browser, code).json()["patient"] == "a"


def test_an_ehr_launch_brings_its_patient(service: Service, browser: TestClient, clock: Clock) -> None:
    _sign_in(browser, "kim")
    launch = make_launch(service.database, "kim", "b", clock())
    asked = _request(scope="launch patient/*.rs", launch=launch)
    given = _exchange(browser, _answer(_decide(browser, asked, patient="a"))["code"]).json()
    assert (given["patient"], given["need_patient_banner"]) == ("b", True)
    for wrong in (make_launch(service.database, "somebody", "b", clock()), "made up"):
        assert _answer(_decide(browser, {**asked, "launch": wrong}))["error"] == "invalid_request"
    clock.turn(minutes=6)
    assert _answer(_decide(browser, asked))["error"] == "invalid_request"


GRANTED: list[tuple[str, str, Role, str]] = [
    ("patient/*.read", "patient/*.rs", Role.PATIENT, "patient/*.read"),
    ("patient/*.cruds", "patient/*.rs", Role.PATIENT, "patient/*.rs"),
    (
        "patient/*.rs",
        "patient/Observation.rs patient/Condition.r",
        Role.PATIENT,
        "patient/Observation.rs patient/Condition.r",
    ),
    ("patient/Observation.rs", "patient/*.rs", Role.PATIENT, "patient/Observation.rs"),
    (
        "patient/Observation.rs",
        "patient/Observation.rs?category=laboratory",
        Role.PATIENT,
        "patient/Observation.rs?category=laboratory",
    ),
    (
        "patient/Observation.rs?category=laboratory",
        "patient/*.rs",
        Role.PATIENT,
        "patient/Observation.rs?category=laboratory",
    ),
    (
        "patient/Observation.rs?code=1",
        "patient/Observation.rs?category=x",
        Role.PATIENT,
        "patient/Observation.rs?category=x&code=1",
    ),
    ("patient/Condition.rs", "patient/Observation.rs", Role.PATIENT, ""),
    ("user/*.rs", "patient/*.rs", Role.CLINICIAN, ""),
    ("system/*.rs", "system/*.rs", Role.CLINICIAN, ""),
    ("system/*.rs", "system/*.rs", Role.SYSTEM, "system/*.rs"),
    ("openid offline_access nonsense", "openid", Role.PATIENT, "openid"),
    ("openid openid", "openid", Role.PATIENT, "openid"),
]


@pytest.mark.parametrize(("asked", "registered", "role", "expected"), GRANTED)
def test_an_app_is_granted_no_more_than_it_is_registered_for(
    asked: str, registered: str, role: Role, expected: str
) -> None:
    assert granted(asked, registered, role) == expected


def test_each_scope_is_told_in_words() -> None:
    assert in_words(["patient/Observation.rs?category=x", "user/*.cruds", "openid", "launch"]) == [
        "read, search: Observation of the patient (only category=x)",
        "create, read, change, delete, search: all data that you may see",
        "know who you are",
    ]


def _assertion(
    key: RSAKey | ECKey = RSA, alg: str = "RS384", header: Json | None = None, **changes: Any
) -> str:
    now = int(NOON.timestamp())
    claims = {
        "iss": "backend",
        "sub": "backend",
        "aud": f"{BASE}/auth/token",
        "exp": now + 240,
        "jti": "j-1",
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid, **(header or {})}, kept, key, algorithms=[alg])


def _backend(browser: TestClient, assertion: str, **changes: str) -> Response:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {
        "grant_type": "client_credentials",
        "scope": "system/Observation.rs",
        "client_assertion_type": kind,
        "client_assertion": assertion,
    }
    return browser.post("/auth/token", data={**form, **changes})


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS384"), (EC, "ES384")])
def test_a_backend_service_signs_who_it_is(
    service: Service, browser: TestClient, key: RSAKey | ECKey, alg: str
) -> None:
    given = _backend(browser, _assertion(key, alg)).json()
    assert (given["scope"], given["expires_in"]) == ("system/Observation.rs", 300)
    access = auth_of(service).access(auth_of(service).tokens.verify(given["access_token"]).actor)
    assert access.permits("search", "Observation")
    assert not access.permits("search", "Patient")
    assert not access.permits("create", "Observation")


OTHER = RSAKey.generate_key(2048, {"kid": str(RSA.kid)})
WRONG: dict[str, str] = {
    "another's key": _assertion(OTHER),
    "a key that it brings along": _assertion(OTHER, header={"jwk": OTHER.as_dict(private=False)}),
    "an unknown key": _assertion(header={"kid": "x"}),
    "another algorithm": _assertion(alg="RS256"),
    "another audience": _assertion(aud="https://evil.example/auth/token"),
    "no audience": _assertion(aud=None),
    "expired": _assertion(exp=int(NOON.timestamp()) - 60),
    "good for too long": _assertion(exp=int(NOON.timestamp()) + 3600),
    "no expiry": _assertion(exp=None),
    "no id": _assertion(jti=None),
    "an id that is no text": _assertion(jti=["x"]),
    "another subject": _assertion(sub="app"),
    "another issuer": _assertion(iss="app", sub="app"),
    "an unknown issuer": _assertion(iss="nobody", sub="nobody"),
    "not yet": _assertion(nbf=int(NOON.timestamp()) + 600),
    "not a token": "a.b.c",
    "no parts": "abc",
    "unsigned": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJiYWNrZW5kIn0.",
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_assertion_is_refused(browser: TestClient, name: str) -> None:
    response = _backend(browser, WRONG[name])
    assert (response.status_code, _error(response)) == (401, "invalid_client")


def test_an_assertion_counts_once(browser: TestClient) -> None:
    assert _backend(browser, _assertion()).status_code == 200
    assert _error(_backend(browser, _assertion())) == "invalid_client"
    assert _backend(browser, _assertion(jti="j-2")).status_code == 200


def test_a_backend_service_gets_no_more_than_it_is_registered_for(
    service: Service, browser: TestClient
) -> None:
    assert _error(_backend(browser, _assertion(), scope="user/*.rs")) == "invalid_scope"
    assert _backend(browser, _assertion(jti="2"), scope="system/*.cruds").json()["scope"] == "system/*.rs"


@pytest.mark.parametrize(
    "form",
    [
        {"client_id": "backend"}, {"client_id": "nobody"}, {}, {"client_id": "app", "client_secret": "x"},
        {"client_id": "backend", "client_secret": "x"}, {"client_id": "a\x00"},
    ],
)  # fmt: skip
def test_an_app_that_shows_nothing_is_refused(browser: TestClient, form: dict[str, str]) -> None:
    assert (
        _error(
            browser.post(
                "/auth/token", data={"grant_type": "client_credentials", "scope": "system/*.rs", **form}
            )
        )
        == "invalid_client"
    )


def test_client_credentials_need_a_key(service: Service, browser: TestClient) -> None:
    secret = register(service.database, "secretive", "S", (), "system/*.rs", confidential=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    assert _error(browser.post("/auth/token", data=form, auth=("secretive", secret))) == "unauthorized_client"
    assert _error(browser.post("/auth/token", data=form, auth=("secretive", "wrong"))) == "invalid_client"
    assert _error(browser.post("/auth/token", data={**form, "client_id": "app"})) == "unauthorized_client"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "app"}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_other_grants_are_refused(browser: TestClient, form: dict[str, str], error: str) -> None:
    assert _error(browser.post("/auth/token", data=form)) == error


def test_a_token_request_is_a_form(browser: TestClient) -> None:
    assert _error(browser.post("/auth/token", json={"grant_type": "refresh_token"})) == "invalid_request"


def test_introspection_tells_those_who_show_who_they_are(service: Service, browser: TestClient) -> None:
    _sign_in(browser)
    given = _exchange(browser, _code(browser, scope="patient/*.rs offline_access")).json()
    secret = register(service.database, "api", "API", (), "openid", confidential=True)

    def ask(token: str) -> Json:
        found: Json = browser.post("/auth/introspect", data={"token": token}, auth=("api", secret)).json()
        return found

    told = ask(given["access_token"])
    assert (told["active"], told["patient"], told["client_id"], told["sub"]) == (True, "a", "app", "anna")
    assert ask(given["refresh_token"])["active"] is True
    assert ask("x") == {"active": False}
    assert (
        _error(browser.post("/auth/introspect", data={"token": given["access_token"], "client_id": "app"}))
        == "invalid_client"
    )
    browser.post("/auth/revoke", data={"token": given["refresh_token"], "client_id": "app"})
    assert ask(given["access_token"]) == ask(given["refresh_token"]) == {"active": False}


def test_an_app_revokes_its_own_tokens_only(service: Service, browser: TestClient) -> None:
    _sign_in(browser)
    given = _exchange(browser, _code(browser, scope="patient/*.rs offline_access")).json()
    for token in (given["access_token"], given["refresh_token"], "x"):
        assert browser.post("/auth/revoke", data={"token": token, "client_id": "narrow"}).status_code == 200
    assert auth_of(service).tokens.verify(given["access_token"])
    assert (
        browser.post("/auth/revoke", data={"token": given["access_token"], "client_id": "app"}).status_code
        == 200
    )
    with pytest.raises(FhirError):
        auth_of(service).tokens.verify(given["access_token"])
    assert _refresh(browser, given["refresh_token"]).status_code == 200


def test_the_configuration_names_what_is_there(browser: TestClient) -> None:
    found = browser.get("/fhir/.well-known/smart-configuration").json()
    assert found["issuer"] == BASE
    assert found["code_challenge_methods_supported"] == ["S256"]
    for name in ("authorization", "token", "introspection", "revocation"):
        path = found[f"{name}_endpoint"].removeprefix(BASE)
        assert browser.request("GET" if name == "authorization" else "POST", path).status_code in (400, 401)
    assert browser.get(found["jwks_uri"].removeprefix(BASE)).status_code == 200
    assert browser.get("/.well-known/openid-configuration").json()["subject_types_supported"] == ["public"]


def test_the_server_has_it_beside_fhir(service: Service) -> None:
    found = TestClient(create_app(service), base_url=BASE).get("/fhir/.well-known/smart-configuration")
    assert found.status_code == 200
    assert found.json()["token_endpoint"] == f"{BASE}/auth/token"


def test_the_configuration_does_not_repeat_a_host_that_somebody_made_up(browser: TestClient) -> None:
    text = browser.get("/fhir/.well-known/smart-configuration", headers={"host": "evil.example"}).text
    assert "evil" not in text


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "javascript:alert(1)",
        "https://app.example/#x",
        "/cb",
        "",
        "https://a b/",
        "https://a/;b",
        "data:text/html,x",
    ],
)
def test_an_app_is_not_registered_with_a_redirect_that_leaks(service: Service, uri: str) -> None:
    with pytest.raises(FhirError):
        register(service.database, "x", "X", (uri,), "openid")


@pytest.mark.parametrize(
    "jwks",
    [
        "{}",
        "x",
        '{"keys": []}',
        json.dumps({"keys": [RSA.as_dict(private=True)]}),
        '{"keys": [{"kty": "oct", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4", "kid": "1"}]}',
    ],
)
def test_an_app_is_not_registered_with_keys_that_are_not_public(service: Service, jwks: str) -> None:
    with pytest.raises(FhirError):
        register(service.database, "x", "X", (), "openid", jwks=jwks)


def test_no_secret_stands_in_the_database(service: Service, browser: TestClient) -> None:
    _sign_in(browser)
    code = _code(browser, scope="patient/*.rs offline_access")
    token = _exchange(browser, code).json()["refresh_token"]
    with service.database.transaction() as connection:
        tables = ("oauth_code", "oauth_grant", "oauth_client", "oauth_launch")
        kept = str([connection.execute(f"SELECT t::text FROM {table} t").fetchall() for table in tables])
    assert code not in kept
    assert token.partition(".")[2] not in kept

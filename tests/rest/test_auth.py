"""Who asks: tokens, sessions, sign-in and what it refuses, over HTTP and on real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from fhir_server.access.actor import Actor, Role
from fhir_server.access.audit import BALP
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.history import history
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.auth import auth_of, issue_token
from fhir_server.rest.keys import KeyRing
from fhir_server.rest.passwords import hash_password, is_password
from fhir_server.rest.request import Incoming
from fhir_server.rest.signin import MOST, WINDOW, put_user
from fhir_server.rest.signin_routes import auth_router, safe_path
from fhir_server.service import open_service
from fhir_server.settings import Settings
from fhir_server.store import access as store
from fhir_server.store.access import User

NOON = datetime(2024, 6, 15, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
ANNA = {"username": "anna", "password": PASSWORD}


@dataclass
class Clock:
    """A clock that a test turns."""

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
    """A Service that demands tokens, with a patient and a clinician who can sign in."""
    found = open_service(Settings(), dsn)
    found.clock = clock
    put_user(found.database, User("anna", "", Role.PATIENT, "Patient/a", "a"), PASSWORD)
    put_user(found.database, User("kim", "", Role.CLINICIAN, "Practitioner/7"), PASSWORD)
    yield found
    found.database.close()


@pytest.fixture
def client(service: Service) -> TestClient:
    return _client(service)


def _client(service: Service, base: str = "http://testserver") -> TestClient:
    app = FastAPI()
    app.include_router(auth_router(service))
    return TestClient(app, base_url=base, follow_redirects=False)


def _incoming(
    method: str = "GET", path: str = "Patient", cookies: dict[str, str] | None = None, **headers: str
) -> Incoming:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(
        method, path, "", {"host": "testserver", **named}, b"", "http://testserver/fhir", cookies or {}
    )


def _actor(service: Service, incoming: Incoming) -> Actor:
    return auth_of(service).actor_of(incoming)


def _problem(service: Service, incoming: Incoming) -> Problem:
    with pytest.raises(FhirError) as caught:
        _actor(service, incoming)
    return caught.value.problem


def test_a_bearer_of_a_token_is_who_the_token_says(service: Service) -> None:
    token = issue_token(service, Role.PATIENT, "a")
    for scheme in ("Bearer", "bearer"):
        actor = _actor(service, _incoming(authorization=f"{scheme} {token}"))
        assert (actor.role, actor.patient, actor.fhir_user) == (Role.PATIENT, "a", "Patient/a")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "eyJhbGciOiJub25lIn0..", "Bearer a b"]
)
def test_whoever_has_no_valid_token_is_refused(service: Service, header: str) -> None:
    assert _problem(service, _incoming(authorization=header)) is Problem.UNAUTHENTICATED


def test_a_wrong_header_is_not_mended_by_a_good_cookie(service: Service, client: TestClient) -> None:
    client.post("/auth/login", json=ANNA)
    incoming = _incoming(cookies=dict(client.cookies), authorization="Bearer x.y.z")
    assert _problem(service, incoming) is Problem.UNAUTHENTICATED


def test_a_token_that_fits_nothing_is_not_made(service: Service) -> None:
    for role, patient, scope in (
        (Role.PATIENT, "", ""),
        (Role.CLINICIAN, "", "openid"),
        (Role.CLINICIAN, "", "user/Nonsense.rs"),
    ):
        with pytest.raises(FhirError):
            issue_token(service, role, patient, scope)


def test_a_token_is_not_widened_by_its_bearer(service: Service) -> None:
    token = issue_token(service, Role.PATIENT, "a", "patient/Observation.rs system/*.cruds user/*.cruds")
    access = auth_of(service).access_of(_incoming(authorization=f"Bearer {token}"))
    assert access.permits("search", "Observation")
    assert not access.permits("create", "Observation")
    assert not access.permits("$ingest", "Bundle")


def test_only_the_capability_statement_is_open_to_anybody(service: Service) -> None:
    access = auth_of(service).access_of(_incoming(path="metadata"))
    assert access.permits("capabilities")
    assert access.on("r").text == "FALSE"


def test_with_auth_off_everybody_is_the_system_but_who_signed_in(service: Service) -> None:
    token = issue_token(service, Role.PATIENT, "a")
    auth = replace(auth_of(service), settings=Settings(auth="off", base_url="http://testserver"))
    assert auth.actor_of(_incoming()).role is Role.SYSTEM
    assert auth.actor_of(_incoming(authorization="Bearer x.y.z")).role is Role.SYSTEM
    assert auth.actor_of(_incoming("POST")).role is Role.SYSTEM
    assert auth.actor_of(_incoming(authorization=f"Bearer {token}")).role is Role.PATIENT


def test_with_auth_off_a_page_of_another_site_changes_nothing(service: Service) -> None:
    auth = replace(
        auth_of(service),
        settings=Settings(auth="off", base_url="http://testserver", cors_origins="https://app.example"),
    )
    assert auth.actor_of(_incoming("POST", origin="http://testserver")).role is Role.SYSTEM
    assert auth.actor_of(_incoming("POST", origin="https://app.example")).role is Role.SYSTEM
    with pytest.raises(FhirError) as caught:
        auth.actor_of(_incoming("POST", origin="https://evil.example"))
    assert caught.value.problem is Problem.FORBIDDEN


def test_signing_in_gives_a_session_that_no_script_reads(service: Service, client: TestClient) -> None:
    answer = client.post("/auth/login", json=ANNA)
    assert answer.status_code == 200
    assert answer.json() == {
        "subject": "anna", "role": "patient", "scope": "patient/*.rs", "fhirUser": "Patient/a", "patient": "a"
    }  # fmt: skip
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "token" not in answer.text
    assert _actor(service, _incoming(cookies=dict(client.cookies))).patient == "a"
    assert client.get("/auth/me").json()["subject"] == "anna"


def test_over_https_the_cookie_is_bound_to_the_host(service: Service) -> None:
    answer = _client(service, "https://testserver").post("/auth/login", json=ANNA)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-chartline=")
    assert "; Secure" in cookie


def test_a_form_is_answered_with_a_way_on(client: TestClient) -> None:
    answer = client.post("/auth/login", data={**ANNA, "next": "/patient?tab=results"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/patient?tab=results")
    failed = client.post("/auth/login", data={**ANNA, "password": "x"})
    assert (failed.status_code, failed.headers["location"]) == (303, "/?signin=failed")
    assert "set-cookie" not in failed.headers


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "", "evil", "/\t/evil",
        "/a\r\nSet-Cookie: x=y", " /a", "/a b", "/é", "///evil.example", "http:evil.example", "/%0d%0a\n",
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(wanted: str) -> None:
    assert safe_path(wanted) == "/"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"username": "anna"},
        {"username": ["anna"], "password": {}},
        {"username": "a\x00b", "password": "x"},
    ],
)
def test_a_sign_in_without_name_or_password_fails(client: TestClient, given: dict[str, Any]) -> None:
    assert client.post("/auth/login", json=given).status_code == 401


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/json", 400), (b"x", "text/plain", 415), (b"[]", "application/json", 400)],
)
def test_a_sign_in_that_cannot_be_read_is_refused(
    client: TestClient, body: bytes, kind: str, status: int
) -> None:
    answer = client.post("/auth/login", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_huge_sign_in_is_refused(client: TestClient) -> None:
    assert client.post("/auth/login", json={"username": "x" * 20_000}).status_code == 413


def test_a_wrong_name_and_a_wrong_password_look_the_same(client: TestClient) -> None:
    answers = [
        client.post("/auth/login", json={"username": name, "password": "guess"})
        for name in ("anna", "nobody")
    ]
    assert answers[0].json() == answers[1].json()
    assert [a.status_code for a in answers] == [401, 401]
    kept = [{k: v for k, v in a.headers.items() if k != "x-request-id"} for a in answers]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_a_name_has_to_wait_after_too_many_attempts(client: TestClient, clock: Clock, name: str) -> None:
    statuses = [
        client.post("/auth/login", json={"username": name, "password": "guess"}).status_code
        for _ in range(MOST + 2)
    ]
    assert statuses == [401] * MOST + [429] * 2
    refused = client.post("/auth/login", json={"username": name, "password": PASSWORD})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "900")
    clock.turn(seconds=WINDOW.total_seconds() + 1)
    assert client.post("/auth/login", json={"username": name, "password": PASSWORD}).status_code == (
        200 if name == "anna" else 401
    )


def test_guesses_side_by_side_count_as_well(service: Service) -> None:
    signin = auth_of(service).signin

    def guess(number: int) -> bool:
        try:
            return signin.sign_in("anna", f"guess {number}").token == ""
        except FhirError as error:
            return error.problem is not Problem.THROTTLED

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(20))) <= MOST


def test_a_success_starts_the_count_anew(client: TestClient) -> None:
    for _ in range(3):
        for _ in range(MOST - 1):
            client.post("/auth/login", json={**ANNA, "password": "guess"})
        assert client.post("/auth/login", json=ANNA).status_code == 200


def test_what_was_typed_as_a_name_is_not_kept(service: Service, client: TestClient) -> None:
    client.post("/auth/login", json={"username": "my secret password", "password": "x"})
    with service.database.transaction() as connection:
        rows = connection.execute("SELECT convert_from(name_hash, 'LATIN1') FROM sign_in_attempt").fetchall()
        assert rows
        assert not [text for (text,) in rows if "secret" in text]
    assert "secret" not in str(_events(service))


def test_signing_out_ends_every_copy_of_the_session(service: Service, client: TestClient) -> None:
    client.post("/auth/login", json=ANNA)
    copied = dict(client.cookies)
    answer = client.post("/auth/logout", headers={"x-chartline-request": "1"})
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert _problem(service, _incoming(cookies=copied)) is Problem.UNAUTHENTICATED
    assert client.get("/auth/me").status_code == 401


def test_a_session_ends_in_time_and_lives_on_in_use(
    service: Service, client: TestClient, clock: Clock
) -> None:
    client.post("/auth/login", json=ANNA)
    for _ in range(24):
        clock.turn(minutes=31)
        answer = client.get("/auth/me")
        if answer.status_code != 200:
            break
    assert timedelta(hours=12) <= clock.at - NOON <= timedelta(hours=13, minutes=1)
    client.post("/auth/login", json=ANNA)
    clock.turn(minutes=61)
    assert client.get("/auth/me").status_code == 401


def test_a_session_of_a_user_who_was_removed_is_not_renewed(
    service: Service, client: TestClient, clock: Clock
) -> None:
    client.post("/auth/login", json=ANNA)
    with service.database.transaction() as connection:
        store.remove_user(connection, "anna")
    clock.turn(minutes=31)
    assert "set-cookie" not in client.get("/auth/me").headers


CHANGES: list[tuple[dict[str, str], bool]] = [
    ({}, False),
    ({"origin": "https://evil.example"}, False),
    ({"origin": "https://evil.example", "x_chartline_request": "1"}, False),
    ({"origin": "null"}, False),
    ({"origin": "http://testserver.evil.example"}, False),
    ({"origin": "http://[bad"}, False),
    ({"sec_fetch_site": "cross-site"}, False),
    ({"sec_fetch_site": "same-site"}, False),
    ({"origin": "http://testserver"}, True),
    ({"x_chartline_request": "1"}, True),
    ({"sec_fetch_site": "same-origin"}, True),
]


@pytest.mark.parametrize(("headers", "passes"), CHANGES)
def test_with_a_cookie_only_a_page_of_ours_changes_something(
    service: Service, client: TestClient, headers: dict[str, str], passes: bool
) -> None:
    client.post("/auth/login", json=ANNA)
    cookies = dict(client.cookies)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        incoming = _incoming(method, cookies=cookies, **headers)
        if passes:
            assert _actor(service, incoming).subject == "anna"
        else:
            assert _problem(service, incoming) is Problem.FORBIDDEN
    assert _actor(service, _incoming(cookies=cookies, **headers)).subject == "anna"


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_nobody_is_signed_in_from_a_foreign_page(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/auth/login", data=ANNA, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_session_is_no_access_token_and_the_other_way_round(service: Service, client: TestClient) -> None:
    client.post("/auth/login", json=ANNA)
    session = client.cookies["chartline"]
    assert _problem(service, _incoming(authorization=f"Bearer {session}")) is Problem.UNAUTHENTICATED
    token = issue_token(service, Role.PATIENT, "a")
    assert _problem(service, _incoming(cookies={"chartline": token})) is Problem.UNAUTHENTICATED


def test_the_published_keys_are_public(service: Service, client: TestClient) -> None:
    issue_token(service, Role.SYSTEM)
    (key,) = client.get("/auth/jwks").json()["keys"]
    assert {"kty", "n", "e", "kid", "alg", "use"} == set(key)


def test_one_key_is_made_however_many_ask(service: Service) -> None:
    rings = [KeyRing(service.database, service.clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda ring: ring.signing().kid, rings))) == 1


def test_keys_are_replaced_in_time_and_verify_for_longer(service: Service, clock: Clock) -> None:
    ring = KeyRing(service.database, service.clock)
    first = str(ring.signing().kid)
    clock.turn(days=31)
    second = str(ring.signing().kid)
    assert second != first
    assert {key["kid"] for key in ring.public()["keys"]} == {first, second}
    clock.turn(days=60)
    assert ring.verifying(first) is None
    assert ring.verifying(second) is not None


def test_a_key_of_another_process_is_found(service: Service, clock: Clock) -> None:
    here, there = (KeyRing(service.database, service.clock) for _ in range(2))
    here.signing()
    assert there.verifying(str(here.signing().kid)) is not None


def test_a_password_is_kept_as_argon2id_only(service: Service) -> None:
    with service.database.transaction() as connection:
        user = store.find_user(connection, "anna")
    assert user is not None
    assert user.password_hash.startswith("$argon2id$")
    assert "argon2" not in repr(user)
    assert not is_password(PASSWORD, hash_password("another"))
    assert not is_password("x" * 5000, user.password_hash)


def _events(service: Service) -> list[dict[str, Any]]:
    context = Context(service, decide(Actor.system(), Purpose.HSYSADMIN), "http://testserver/fhir")
    found = json.decode(search(context, "AuditEvent", []).body or b"{}")
    return [entry["resource"] for entry in found.get("entry", [])]


def test_every_sign_in_leaves_an_auditevent(service: Service, client: TestClient) -> None:
    client.post("/auth/login", json={**ANNA, "password": "guess"})
    client.post("/auth/login", json=ANNA)
    client.post("/auth/logout", headers={"x-chartline-request": "1"})
    events = _events(service)
    told = sorted((e["subtype"][0]["display"], e["outcome"]) for e in events)
    assert told == [("Login", "0"), ("Login", "4"), ("Logout", "0")]
    assert PASSWORD not in str(events)
    assert BALP not in str(events)


RECORDS: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "a"},
    {
        "resourceType": "Patient",
        "id": "b",
        "link": [{"other": {"reference": "Patient/a"}, "type": "seealso"}],
    },
    {"resourceType": "Practitioner", "id": "7"},
    {"resourceType": "Organization", "id": "h", "name": "House"},
    {"resourceType": "Device", "id": "d", "patient": {"reference": "Patient/a"}},
    {"resourceType": "Binary", "id": "x", "contentType": "text/plain", "data": "eA=="},
    {
        "resourceType": "List",
        "id": "l",
        "status": "current",
        "mode": "working",
        "subject": {"reference": "Patient/a"},
    },
    {
        "resourceType": "Group",
        "id": "g",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": "Patient/a"}}],
    },
    {"resourceType": "Schedule", "id": "room", "actor": [{"reference": "Practitioner/7"}]},
    {"resourceType": "Schedule", "id": "bed-b", "actor": [{"reference": "Patient/b"}]},
]


def _observation(name: str, patient: str, category: str = "laboratory", **more: Any) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation", "id": name, "status": "final", "code": {"text": "x"},
        "category": [{"coding": [{"system": system, "code": category}]}], "subject": {"reference": f"Patient/{patient}"}, **more,
    }  # fmt: skip


def _appointment(name: str, *patients: str) -> dict[str, Any]:
    actors = [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"} for patient in patients]
    return {"resourceType": "Appointment", "id": name, "status": "proposed", "participant": actors}


@pytest.fixture
def records(service: Service) -> Context:
    """Two patients' records, as the system sees them."""
    context = Context(service, decide(Actor.system(), Purpose.HSYSADMIN), "http://testserver/fhir")
    more = [
        _observation("a-lab", "a"), _observation("a-vital", "a", "vital-signs"), _observation("b-lab", "b"),
        _appointment("a-only", "a"), _appointment("group", "a", "b"), _appointment("b-only", "b"),
    ]  # fmt: skip
    for resource in [*RECORDS, *more]:
        update(context, resource["resourceType"], resource["id"], resource)
    return context


def _seen(records: Context, actor: Actor) -> set[str]:
    """All rows that the actor's Access lets through."""
    condition = auth_of(records.service).access(actor).on("r")
    with records.service.database.transaction() as connection:
        query = f"SELECT r.type, r.id FROM resource r WHERE r.body IS NOT NULL AND ({condition.text})"
        rows = connection.execute(query, condition.values).fetchall()
    names = {code: name for name, code in TYPE_CODE.items()}
    return {f"{names[kind]}/{logical_id}" for kind, logical_id in rows}


SHARED = {"Practitioner/7", "Organization/h", "Schedule/room"}


def test_a_patient_sees_the_own_record_and_what_is_shared(records: Context) -> None:
    own = {"Patient/a", "Observation/a-lab", "Observation/a-vital", "Appointment/a-only"}
    assert _seen(records, Actor.of_patient("a")) == own | SHARED


def test_a_patient_who_is_not_there_sees_only_what_is_shared(records: Context) -> None:
    assert _seen(records, Actor.of_patient("nobody")) == SHARED


def test_a_patient_without_a_patient_sees_nothing(records: Context) -> None:
    assert _seen(records, Actor(Role.PATIENT, "x", scopes=parse_scopes("patient/*.rs user/*.rs"))) == set()


def test_a_clinician_sees_every_record_and_the_system_everything(records: Context) -> None:
    every = _seen(records, Actor.system())
    assert len(every) == len(RECORDS) + 6
    assert _seen(records, Actor.clinician("Practitioner/7")) == every


def test_staff_sees_no_clinical_resource(records: Context) -> None:
    seen = _seen(records, Actor(Role.STAFF, "desk", scopes=parse_scopes("user/*.cruds")))
    assert {name.partition("/")[0] for name in seen} == {
        "Patient",
        "Practitioner",
        "Organization",
        "Schedule",
        "Appointment",
    }


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ("patient/Observation.rs?category=laboratory", {"Observation/a-lab"}),
        (
            "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
            {"Observation/a-vital"},
        ),
        (
            "patient/Observation.rs?category=laboratory,vital-signs",
            {"Observation/a-lab", "Observation/a-vital"},
        ),
        ("patient/Observation.rs?category=laboratory&status=final", {"Observation/a-lab"}),
        ("patient/Observation.rs?category=laboratory&status=amended", set()),
        (
            "patient/Observation.rs?category=laboratory patient/Appointment.rs",
            {"Observation/a-lab", "Appointment/a-only"},
        ),
        ("patient/Observation.rs?category=imaging", set()),
        ("patient/Observation.rs?nonsense=1", set()),
        ("patient/Observation.rs?subject:Patient.name=x", set()),
        ("patient/Observation.rs?_has:Observation:subject:code=x", set()),
        ("patient/Observation.rs?_include=Observation:subject", set()),
        ("patient/Observation.rs?_count=5", set()),
        ("patient/Observation.rs?category=", set()),
        ("patient/Observation.rs?category", set()),
        ("patient/Observation.rs?category=laboratory&_sort=date", set()),
        ("patient/*.rs?category=laboratory", set()),
        ("patient/Condition.rs", set()),
        ("system/*.cruds", set()),
    ],
)
def test_a_scope_narrows_what_is_seen(records: Context, scope: str, seen: set[str]) -> None:
    assert _seen(records, replace(Actor.of_patient("a"), scopes=parse_scopes(scope))) == seen


def test_the_time_before_a_resource_was_ones_own_stays_hidden(records: Context, clock: Clock) -> None:
    """An Observation of b that is corrected to be a's: a reads it from then on, b no more, and neither the other's versions."""
    clock.turn(minutes=1)
    update(records, "Observation", "b-lab", _observation("b-lab", "a"))
    assert _versions(records, Actor.system()) == ["2", "1"]
    assert _versions(records, Actor.of_patient("a")) == ["2"]
    with pytest.raises(FhirError, match="There is no"):
        _versions(records, Actor.of_patient("b"))


def _versions(records: Context, actor: Actor) -> list[str]:
    context = replace(records, access=auth_of(records.service).access(actor))
    found = json.decode(history(context, "Observation", "b-lab", []).body or b"{}")
    return [entry["resource"]["meta"]["versionId"] for entry in found["entry"]]

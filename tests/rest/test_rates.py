"""Rate limits: who asks too often waits, and nobody else does. https://www.rfc-editor.org/rfc/rfc6585#section-4"""

from __future__ import annotations

import httpx
import pytest
from starlette.testclient import TestClient

from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.r4.outcome import FhirError
from fhir_server.rest.auth import issue_token
from fhir_server.rest.rates import Rates
from tests.service import context_of, put, service_on
from tests.serving import serving


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_again_with_time() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    for _ in range(60):
        rates.take("a")
    with pytest.raises(FhirError, match="60 requests a minute"):
        rates.take("a")
    rates.take("b")
    clock.now = 1.0
    rates.take("a")
    with pytest.raises(FhirError):
        rates.take("a")


def test_without_a_limit_nobody_waits() -> None:
    rates = Rates(0)
    for _ in range(100):
        rates.take("a")


def test_who_asks_too_often_is_told_when_to_come_back_and_others_go_on(dsn: str) -> None:
    service = service_on(dsn, rate_limit=3)
    put(context_of(service), {"Patient/a": {}})
    app = create_app(service)
    anna, lee = (
        TestClient(app, headers={"authorization": f"Bearer {issue_token(service, role, patient)}"})
        for role, patient in ((Role.PATIENT, "a"), (Role.CLINICIAN, ""))
    )
    assert [anna.get("/fhir/Patient/a").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = anna.get("/fhir/Patient/a")
    assert answer.json()["issue"][0]["code"] == "throttled"
    assert int(answer.headers["retry-after"]) == 20
    assert lee.get("/fhir/Patient/a").status_code == 200
    nobody = TestClient(app)
    assert [nobody.get("/fhir/Patient/a").status_code for _ in range(4)] == [401, 401, 401, 429]
    service.database.close()


@pytest.mark.parametrize("address", ["/auth/login", "/auth/token", "/auth/introspect"])
def test_guesses_under_many_names_are_counted_by_address(dsn: str, address: str) -> None:
    with (
        serving(dsn, auth="smart", rate_limit=3) as running,
        httpx.Client(base_url=running.base.removesuffix("/fhir")) as client,
    ):
        answers = [
            client.post(address, data={"username": f"n{n}", "password": "x", "client_id": f"c{n}"})
            for n in range(4)
        ]
    assert [answer.status_code == 429 for answer in answers] == [False, False, False, True]

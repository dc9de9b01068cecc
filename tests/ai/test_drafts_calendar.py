"""$calendar: the visit as an iCalendar file, read back by the library as a calendar program would.

https://www.rfc-editor.org/rfc/rfc5545
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from icalendar import Calendar
from starlette.testclient import TestClient

from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.rest.auth import issue_token
from tests.unit.drafts.clinic import LEE, Clinic, clinic_on, diary, record, slot

Json = dict[str, Any]
ROOMS = {
    "resourceType": "Location",
    "id": "rooms",
    "name": "Harbor Street; second floor",
    "address": {"line": ["12 Harbor Street"], "city": "Boston"},
}


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record(), *diary(), ROOMS)
        yield found


def visit(status: str = "booked", **elements: Any) -> Json:
    """A visit on the day on which the clocks of New York go back."""
    people = [
        {"actor": {"reference": name}, "status": "accepted"} for name in ("Patient/p", LEE, "Location/rooms")
    ]
    return {
        "resourceType": "Appointment",
        "id": "v",
        "status": status,
        "start": "2026-11-01T01:30:00-05:00",
        "end": "2026-11-01T02:00:00-05:00",
        "comment": "About my HIV medicine",
        "serviceType": [{"text": "Infectious diseases"}],
        "participant": people,
        **elements,
    }


def file_of(clinic: Clinic) -> tuple[Any, Any]:
    """The calendar and its event."""
    body = clinic.call(clinic.patient(), "calendar", "Appointment/v").body
    assert (body["resourceType"], body["contentType"]) == ("Binary", "text/calendar")
    data = base64.b64decode(body["data"])
    found = Calendar.from_ical(data)
    (event,) = found.walk("VEVENT")
    return found, event


def test_a_booked_visit_is_an_event_at_its_moment(clinic: Clinic) -> None:
    clinic.put(visit())
    found, event = file_of(clinic)
    assert event["DTSTART"].dt == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert event["DTEND"].dt == datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
    assert (str(event["STATUS"]), str(found["METHOD"])) == ("CONFIRMED", "PUBLISH")
    assert str(event["SUMMARY"]) == "Visit: lee"
    assert str(event["LOCATION"]) == "Harbor Street; second floor, 12 Harbor Street, Boston"


def test_the_file_tells_nothing_of_the_reason_or_the_service(clinic: Clinic) -> None:
    clinic.put(visit())
    assert "HIV" not in str(file_of(clinic))
    assert "Infectious" not in str(file_of(clinic))


def test_a_later_version_replaces_the_earlier_one(clinic: Clinic) -> None:
    clinic.put(visit())
    _, first = file_of(clinic)
    clinic.put(visit("cancelled"))
    found, second = file_of(clinic)
    assert first["UID"] == second["UID"]
    assert (int(first["SEQUENCE"]), int(second["SEQUENCE"])) == (0, 1)
    assert (str(second["STATUS"]), str(found["METHOD"])) == ("CANCELLED", "CANCEL")


def test_a_draft_is_tentative_and_says_so(clinic: Clinic) -> None:
    clinic.put(visit("proposed"))
    _, event = file_of(clinic)
    assert str(event["STATUS"]) == "TENTATIVE"
    assert "Not settled yet" in str(event["DESCRIPTION"])


def test_a_visit_without_a_time_has_no_file(clinic: Clinic) -> None:
    clinic.put({name: value for name, value in visit("proposed").items() if name not in ("start", "end")})
    assert clinic.refused(clinic.patient(), "calendar", "Appointment/v").problem.status == 422


def test_a_visit_of_somebody_else_is_not_there(clinic: Clinic) -> None:
    clinic.put(visit(), slot("one", 1), *record("q"))
    assert clinic.refused(clinic.patient("q"), "calendar", "Appointment/v").problem.status == 404


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/calendar", "text/calendar"),
        ("text/html, */*;q=0.8", "text/calendar"),
        ("application/fhir+json", "application/fhir+json"),
    ],
)
def test_over_http_it_is_the_file_itself_or_its_binary(clinic: Clinic, accept: str, kind: str) -> None:
    clinic.put(visit())
    with TestClient(create_app(clinic.service)) as client:
        client.headers["authorization"] = f"Bearer {issue_token(clinic.service, Role.PATIENT, 'p')}"
        answer = client.get("/fhir/Appointment/v/$calendar", headers={"accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.content.startswith(b"BEGIN:VCALENDAR\r\n") == (kind == "text/calendar")

"""Appointment drafts on a store: what is asked for in every state of the diary; the Slot that is drafted, its alternatives, and the checks.

Scenarios: fixtures/cases/evals/visits.yaml. https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from fhir_server.interactions.delete import delete
from tests.conftest import new_database
from tests.evals.figures import Figures
from tests.unit.drafts.clinic import Answer, Clinic, clinic_on, concept
from tests.unit.drafts.records import read

Json = dict[str, Any]
TABLE = read("../evals/visits.yaml")
FEWEST = 90
CHECKS = ("slot-free", "no-overlap", "service", "urgency", "needs")
LANGUAGES = "urn:ietf:bcp:47"


@pytest.fixture(scope="module")
def clinic(postgres: str, template: str) -> Iterator[Clinic]:
    with new_database(postgres, template) as name, clinic_on(make_conninfo(postgres, dbname=name)) as found:
        found.put({"resourceType": "Patient", "id": "p"}, {"resourceType": "Patient", "id": "other"})
        for key, doctor in TABLE["doctors"].items():
            found.put(*_doctor(key, doctor))
        found.put(*map(slot, TABLE["slots"]))
        yield found


def _doctor(key: str, doctor: Json) -> Iterator[Json]:
    speaks = [{"coding": [{"system": LANGUAGES, "code": code}]} for code in doctor["languages"]]
    yield {"resourceType": "Practitioner", "id": key, "communication": speaks}
    yield {"resourceType": "Location", "id": doctor["location"]}
    names = (f"Practitioner/{key}", f"Location/{doctor['location']}")
    yield {
        "resourceType": "Schedule",
        "id": key,
        "serviceType": [
            concept("http://terminology.hl7.org/CodeSystem/service-type", doctor["service"], key)
        ],
        "specialty": [concept("http://nucc.org/provider-taxonomy", doctor["specialty"], key)],
        "actor": [{"reference": name} for name in names],
    }


def slot(key: str, status: str = "free") -> Json:
    """A half hour of the table."""
    row = TABLE["slots"][key]
    schedule = {"reference": f"Schedule/{row['doctor']}"}
    return {"resourceType": "Slot", "id": key, "status": status, "schedule": schedule, **times(key)}


def times(key: str) -> Json:
    start = datetime.fromisoformat(TABLE["slots"][key]["start"])
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=30)).isoformat()}


@contextmanager
def state_of(clinic: Clinic, state: Json, candidates: list[str]) -> Iterator[None]:
    """The diary in that state; afterwards it is open again."""
    changed = [*TABLE["slots"]] if state.get("every") else candidates[:1]
    how = state.get("every") or state.get("first", "")
    if how in ("taken", "mistake"):
        clinic.put(*[slot(key, "busy" if how == "taken" else "entered-in-error") for key in changed])
    for key in changed if how in ("patient", "doctor") else ():
        actor = "Patient/p" if how == "patient" else f"Practitioner/{TABLE['slots'][key]['doctor']}"
        people = [{"actor": {"reference": actor}, "status": "accepted"}]
        visit = {"resourceType": "Appointment", "id": "elsewhere", "status": "booked", "participant": people}
        clinic.put(visit | times(key))
    for key in changed if how == "draft" else ():
        asked = {"status": "proposed", "slot": [{"reference": f"Slot/{key}"}]}
        people = [{"actor": {"reference": "Patient/other"}, "status": "needs-action"}]
        clinic.put(
            {"resourceType": "Appointment", "id": "elsewhere", "participant": people} | asked | times(key)
        )
    yield
    clinic.put(*[slot(key) for key in changed])
    for each in clinic.found("Appointment", status="proposed,booked"):
        delete(clinic.system, "Appointment", each["id"])


def left(row: Json, state: Json) -> list[str]:
    """The Slots that still would do, best first: what another draft asks for behind the rest, what is too late last."""
    if state.get("every"):
        return []
    candidates = row["candidates"]
    if "first" not in state:
        return list(candidates)
    if state["first"] != "draft":
        return list(candidates[1:])
    return sorted(candidates[1:] + candidates[:1], key=lambda key: key in row.get("late", ()))


def expected(row: Json, state: Json, best: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Name of the check -> its result, and what it rests on; `best` is the Slot that is looked at, or nothing."""
    if not best:
        results = {"slot-free": "block", **dict.fromkeys(CHECKS[1:], "unknown")}
        return {name: (result, frozenset()) for name, result in results.items()}
    results = {**dict.fromkeys(CHECKS, "pass"), **row.get("unlike", {})}
    if state.get("first") == "draft" and best == row["candidates"][0]:
        results["slot-free"] = "warn"
    if best in row.get("late", ()):
        results["urgency"] = row.get("late_is", "warn")
    doctor = TABLE["slots"][best]["doctor"]
    cites = {"service": {f"Slot/{best}", f"Schedule/{doctor}"}, "needs": {f"Slot/{best}", "Patient/p"}}
    return {name: (result, frozenset(cites.get(name, {f"Slot/{best}"}))) for name, result in results.items()}


def found_in(answer: Answer) -> dict[str, tuple[str, frozenset[str]]]:
    read_ones = {}
    for check in answer.all("check"):
        parts = {each["name"]: each for each in check["part"]}
        cited = [each["valueReference"]["reference"] for each in check["part"] if each["name"] == "citation"]
        plain = frozenset(each.partition("/_history/")[0] for each in cited)
        read_ones[parts["name"]["valueCode"]] = (parts["result"]["valueCode"], plain)
    return read_ones


def asked(clinic: Clinic, ask: Json) -> Answer:
    named = {
        name: {"reference": value} if "/" in value and "|" not in value else value
        for name, value in ask.items()
    }
    return clinic.call(clinic.patient(), "draft-appointment", "Patient/p", **named)


def offered(clinic: Clinic, answer: Answer) -> list[str]:
    """The Slot of the draft, and the alternatives."""
    drafts = [clinic.get(answer.reference("draft"))] if answer.reference("draft") else []
    first = [each["slot"][0]["reference"] for each in drafts]
    others = [each["part"][0]["valueReference"]["reference"] for each in answer.all("alternative")]
    return [name.partition("/")[2] for name in (*first, *others)]


def test_each_ask_brings_the_slot_that_fits_and_checks_that_say_why(clinic: Clinic, figures: Figures) -> None:
    pairs = [
        (row, state)
        for row in TABLE["asks"]
        for state in TABLE["states"]
        if row["candidates"] or len(state) == 1
    ]
    wrong = []
    for row, state in pairs:
        wanted = left(row, state)
        best = wanted[0] if wanted else ""
        with state_of(clinic, state, row["candidates"]):
            answer = asked(clinic, row["ask"])
            got = offered(clinic, answer)
        checks, right = found_in(answer), expected(row, state, best)
        is_blocked = "block" in [result for result, _ in right.values()]
        if got != ([] if is_blocked else wanted[:3]) or checks != right:
            wrong.append((row["it"], state["it"], got, checks))
    assert wrong == []
    assert len(pairs) >= FEWEST
    figures.reach("drafts: visits with the expected Slot and checks", 1 - len(wrong) / len(pairs), len(pairs))

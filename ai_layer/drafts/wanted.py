"""What $draft-appointment is asked for: its parameters as a Wanted, and back from the Task that it led to.

A day (`2026-03-20`) is a day where the visit takes place; a dateTime is a moment.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from ai_layer.drafts.checks import Wanted
from ai_layer.drafts.checks.reading import when
from ai_layer.drafts.checks.visit import WITHIN
from ai_layer.drafts.lane import details_of
from ai_layer.drafts.told import text_of
from fhir_server.interactions.context import Context
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4.datatypes import EARLIEST, Interval
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
REASON_LETTERS = 1000
DAY = 10
"""Letters of a date; a longer text holds a time."""
WESTERNMOST = timedelta(hours=12)
ID = r"[A-Za-z0-9\-.]{1,64}"
REFERENCES = {
    "practitioner": ("Practitioner", "PractitionerRole"),
    "location": ("Location",),
    "replaces": ("Appointment",),
    "slot": ("Slot",),
}
"""Parameters that refer to something, and to what."""
CODED = ("serviceType", "specialty")


def wanted_of(context: Context, request: OperationRequest) -> Wanted:
    """The parameters. Raises BAD_PARAMETER where one is of the wrong form, or the time lies in the past."""
    earliest, latest = (_time(request, name) for name in ("earliest", "latest"))
    if latest[1] and latest[1].hi + WESTERNMOST <= context.now():
        raise FhirError(Problem.BAD_PARAMETER, "latest: lies in the past.")
    if earliest[1] and latest[1] and earliest[1].lo >= latest[1].hi:
        raise FhirError(Problem.BAD_PARAMETER, "earliest: lies behind latest.")
    urgency = text_of(request, "urgency")
    if urgency and urgency not in WITHIN:
        raise FhirError(Problem.BAD_PARAMETER, f"urgency: expected one of {', '.join(WITHIN)}.")
    given = {"earliest": earliest[0], "latest": latest[0], "urgency": urgency}
    given |= {name: text_of(request, name) for name in CODED}
    given |= {name: _reference(request, name, types) for name, types in REFERENCES.items()}
    return _wanted(context.now(), given)


def wanted_again(task: Json) -> Wanted:
    """What the Task's call asked for."""
    authored = when(task.get("authoredOn"))
    return _wanted(authored.lo if authored else EARLIEST, details_of(task))


def details(wanted: Wanted) -> dict[str, str]:
    """The parameters as the Task keeps them."""
    return {
        "serviceType": wanted.service,
        "urgency": wanted.urgency,
        "practitioner": wanted.practitioner,
        "specialty": wanted.specialty,
        "location": wanted.location,
        "replaces": wanted.replaces,
        "slot": wanted.chosen,
        "earliest": wanted.earliest_day or (wanted.earliest.isoformat() if wanted.earliest else ""),
        "latest": wanted.latest_day or (wanted.latest.isoformat() if wanted.latest else ""),
    }


def _wanted(asked: datetime, given: dict[str, str]) -> Wanted:
    earliest, latest = given.get("earliest", ""), given.get("latest", "")
    return Wanted(
        asked,
        _moment(earliest),
        _moment(latest),
        earliest if len(earliest) <= DAY else "",
        latest if len(latest) <= DAY else "",
        given.get("serviceType", "").rpartition("|")[2],
        given.get("urgency", ""),
        given.get("practitioner", ""),
        given.get("specialty", "").rpartition("|")[2],
        given.get("location", ""),
        given.get("replaces", ""),
        given.get("slot", ""),
    )


def _moment(text: str) -> datetime | None:
    found = when(text) if len(text) > DAY else None
    return found.lo if found else None


def _time(request: OperationRequest, name: str) -> tuple[str, Interval | None]:
    text = text_of(request, name)
    found = when(text)
    if text and found is None:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a date or dateTime.")
    return text, found


def _reference(request: OperationRequest, name: str, types: tuple[str, ...]) -> str:
    value = request.value(name, "")
    named = value.get("reference", "") if isinstance(value, dict) else value
    if named == "":
        return ""
    if not isinstance(named, str) or not re.fullmatch(f"(?:{'|'.join(types)})/{ID}", named):
        wanted = " or ".join(f"{each}/id" for each in types)
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected {wanted}.")
    return named

"""A visit as an iCalendar file, by the library `icalendar`; this file names what is used of it. Pure.

Times are in UTC, so no change of the clocks moves them. A calendar is seen by many eyes: the file says when, where and with whom, and
nothing of the reason or the service. https://www.rfc-editor.org/rfc/rfc5545
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from icalendar import Calendar, Event

from ai_layer.drafts.checks.reading import elements, part

Json = dict[str, Any]
MADE_BY = "-//Chartline//Visits//EN"
STATUS = {"proposed": "TENTATIVE", "pending": "TENTATIVE", "waitlist": "TENTATIVE", "cancelled": "CANCELLED"}
"""Of the Appointment, and what a calendar calls it; any other is CONFIRMED. entered-in-error and noshow never took place."""
NEVER = frozenset(["entered-in-error", "noshow"])
WAITING = "Not settled yet: the clinic has to confirm it."


def calendar_file(
    visit: Json, place: Sequence[Json], host: str, times: tuple[datetime, datetime], written: datetime
) -> bytes:
    """The file: one event, its UID the same for every version of the visit, its SEQUENCE the version."""
    status = (
        "CANCELLED" if visit.get("status") in NEVER else STATUS.get(str(visit.get("status")), "CONFIRMED")
    )
    event = Event()
    event.add("uid", f"Appointment-{visit['id']}@{host}")
    event.add("sequence", int(part(visit, "meta").get("versionId", 1)) - 1)
    event.add("dtstamp", written.astimezone(UTC))
    event.add("dtstart", times[0].astimezone(UTC))
    event.add("dtend", times[1].astimezone(UTC))
    event.add("summary", summary(place))
    event.add("status", status)
    event.add("class", "PRIVATE")
    if where := location(place):
        event.add("location", where)
    if status == "TENTATIVE":
        event.add("description", WAITING)
    calendar = Calendar()
    calendar.add("prodid", MADE_BY)
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if status == "CANCELLED" else "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def summary(place: Sequence[Json]) -> str:
    """With whom, by name."""
    names = [name for each in place if each["resourceType"] == "Practitioner" if (name := _name(each))]
    return f"Visit: {', '.join(names)}" if names else "Visit"


def location(place: Sequence[Json]) -> str:
    """The first Location: its name and its address."""
    for each in place:
        if each["resourceType"] == "Location":
            address = part(each, "address")
            parts = [each.get("name"), address.get("text"), *address.get("line", ()), address.get("city")]
            return ", ".join(str(one) for one in parts if one)
    return ""


def _name(practitioner: Json) -> str:
    found = next(elements(practitioner, "name"), {})
    parts = (*found.get("prefix", ()), *found.get("given", ()), found.get("family"))
    return " ".join(str(each) for each in parts if each) or str(found.get("text", ""))

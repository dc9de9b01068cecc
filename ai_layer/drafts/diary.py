"""The diary: free Slots that may fit, and the Appointments that stand in the way, found by search.

The earliest Slots are looked at first; LOOKED_AT is how many at most, in steps. https://hl7.org/fhir/R4/slot.html#search
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import Wanted
from ai_layer.drafts.checks.needs import WHEELCHAIR_CODES
from ai_layer.drafts.checks.reading import elements, plain, target, when
from ai_layer.drafts.checks.visit import FIRM, TENTATIVE, span
from ai_layer.drafts.visits import Offer, actors
from fhir_server.interactions.context import Context
from fhir_server.store.write import instant

Json = dict[str, Any]
Pair = tuple[str, str]
LOOKED_AT = (50, 1000)
"""Nearly always a few are enough. Measured with 1,200 Slots: 50 take a third of the time of 200."""
PLACE = ("Practitioner", "PractitionerRole", "HealthcareService", "Location")
HELD = ("status", ",".join(sorted(FIRM | TENTATIVE)))
ZONES = timedelta(hours=14)
"""As far as a day somewhere can reach beyond the same day in UTC."""
SERVICE = ("service-type", "specialty", "schedule.service-type", "schedule.specialty")
"""Where a Slot's service can stand: at the Slot or at its Schedule."""


def free_slots(context: Context, wanted: Wanted, most: int) -> list[Offer]:
    """The earliest free Slots of that time, practitioner and service, each once, with their Schedules."""
    pairs = [("status", "free"), ("_sort", "start"), ("_include", "Slot:schedule"), *_times(context, wanted)]
    if wanted.chosen:
        pairs.append(("_id", wanted.chosen.partition("/")[2]))
    if wanted.practitioner:
        pairs.append(("schedule.actor", wanted.practitioner))
    narrowed: list[list[Pair]] = [[(name, wanted.service)] for name in SERVICE] if wanted.service else [[]]
    found: dict[str, Json] = {}
    for one in narrowed:
        every = chart.found(context, "Slot", *pairs, *one, ("_count", str(_most(context, most))))
        found |= {plain(resource): resource for resource in every}
    slots = (each for each in found.values() if each["resourceType"] == "Slot")
    return _placed(context, [Offer(slot, found.get(target(slot.get("schedule")), {})) for slot in slots])


def own_appointments(context: Context, patient_id: str, but: Sequence[str] = ()) -> list[Json]:
    """The patient's appointments from now on, without those that `but` names (`Appointment/id`)."""
    since = ("date", f"ge{instant(context.now() - ZONES)}")
    found = _appointments(context, ("actor", f"Patient/{patient_id}"), since)
    return [each for each in found if plain(each) not in but]


def conditions_of_needs(context: Context, patient_id: str) -> list[Json]:
    """Conditions that may speak of a wheelchair, by code or in words."""
    whose = ("patient", f"Patient/{patient_id}")
    by_code = chart.found(context, "Condition", whose, ("code", ",".join(WHEELCHAIR_CODES)))
    in_words = chart.found(context, "Condition", whose, ("code:text", "wheelchair"))
    return list({plain(each): each for each in (*by_code, *in_words)}.values())


def taken(context: Context, offers: Sequence[Offer]) -> list[Json]:
    """Appointments of these Slots, and of the practitioners at these times."""
    times = [found for offer in offers if (found := span(offer.slot))]
    if not times:
        return []
    people = {name for offer in offers for name in actors(offer.schedule) if name.startswith("Practitioner")}
    begin, end = min(start for start, _ in times), max(end for _, end in times)
    within = (("date", f"ge{instant(begin - timedelta(days=1))}"), ("date", f"le{instant(end)}"))
    of_slots = _appointments(context, ("slot", _listed(plain(offer.slot) for offer in offers)))
    of_people = _appointments(context, ("actor", _listed(people)), *within) if people else []
    return list({plain(each): each for each in (*of_slots, *of_people)}.values())


def offers_of(context: Context, appointment: Json) -> list[Offer]:
    """The Slots of an appointment that are there, with their Schedules."""
    assert context.connection is not None
    slots = chart.named(context.connection, context.access, "Slot", _slot_ids(appointment))
    ids = [target(each.get("schedule")).partition("/")[2] for each in slots]
    schedules = chart.named(context.connection, context.access, "Schedule", ids)
    found = {plain(each): each for each in schedules}
    return _placed(context, [Offer(each, found.get(target(each.get("schedule")), {})) for each in slots])


def _placed(context: Context, offers: Sequence[Offer]) -> list[Offer]:
    """The same, with who and what their Schedules are for."""
    assert context.connection is not None
    names = {name for offer in offers for name in actors(offer.schedule)}
    found: dict[str, Json] = {}
    for kind in PLACE:
        ids = sorted(name.partition("/")[2] for name in names if name.startswith(f"{kind}/"))
        if ids:
            there = chart.named(context.connection, context.access, kind, ids)
            found |= {plain(each): each for each in there}
    return [
        replace(offer, place=tuple(found[name] for name in actors(offer.schedule) if name in found))
        for offer in offers
    ]


def lock_slots(context: Context, appointment: Json) -> None:
    """Nobody else writes its Slots before this transaction ends; all rows locked, Schedules first, each kind in one order."""
    assert context.connection is not None
    ids = _slot_ids(appointment)
    slots = chart.named(context.connection, context.access, "Slot", ids)
    for name in sorted({target(each.get("schedule")) for each in slots} - {""}):
        kind, _, logical_id = name.partition("/")
        chart.lock(context.connection, kind, logical_id)
    for logical_id in ids:
        chart.lock(context.connection, "Slot", logical_id)


def _slot_ids(appointment: Json) -> list[str]:
    return sorted(target(each).partition("/")[2] for each in elements(appointment, "slot"))


def _appointments(context: Context, *pairs: Pair) -> list[Json]:
    return chart.found(context, "Appointment", *pairs, HELD, ("_count", str(_most(context, 1000))))


def _most(context: Context, wanted: int) -> int:
    return min(wanted, context.service.settings.max_page_size)


def _listed(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def _times(context: Context, wanted: Wanted) -> Iterable[Pair]:
    """From now on, and as far as the days can reach in any time zone."""
    day = when(wanted.earliest_day)
    starts: list[datetime] = [context.now()]
    if wanted.earliest:
        starts.append(wanted.earliest)
    if day:
        starts.append(day.lo - ZONES)
    yield "start", f"ge{instant(max(starts))}"
    last = when(wanted.latest_day)
    if wanted.latest:
        yield "start", f"le{instant(wanted.latest)}"
    if last:
        yield "start", f"le{instant(last.hi + ZONES)}"

"""Deed: what somebody did, as the audit log keeps it; and the AuditEvents that tell it.

A Deed is small and names resources by their numbers, so that writing one costs little; the AuditEvents are made of it later, one for
each patient whose record it touched. It never holds content. https://profiles.ihe.net/ITI/BALP/ and docs/adr/0011-audit-log.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fhir_server.access import audit
from fhir_server.access.actor import Actor, Role
from fhir_server.access.audit import Occasion
from fhir_server.access.purpose import Purpose

MOST_ENTITIES = 100
"""Resources that one AuditEvent names; more of them make more events."""

Json = dict[str, Any]
Shown = tuple[int, int]
"""(rid, version) of a resource that was shown or changed."""


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """`what`: the address relative to the base; `query` as it was sent; `event`: an AuditEvent that is whole already."""

    interaction: str
    recorded: datetime
    role: str
    subject: str
    purpose: str
    fhir_user: str = ""
    client: str = ""
    address: str = ""
    request: str = ""
    status: int = 200
    what: str = ""
    query: str = ""
    shown: list[Shown] = []
    reason: str = ""
    consent: str = ""
    event: Json | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What a number in `shown` stands for: a reference, and the logical ids of the patients in whose compartments it stood."""

    reference: str
    patients: Sequence[str]


_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(Deed)


def written(deed: Deed) -> str:
    """As the log keeps it."""
    return _ENCODER.encode(deed).decode()


def read(text: str) -> Deed:
    """Out of the log."""
    return _DECODER.decode(text)


def events(deed: Deed, known: Mapping[Shown, Known], server: str) -> Iterator[Json]:
    """The AuditEvents: one or more for each patient, and for what belongs to no patient."""
    if deed.event is not None:
        yield deed.event
        return
    on = _occasion(deed, server)
    for patient, references in _by_patient(deed, known).items():
        for start in range(0, max(len(references), 1), MOST_ENTITIES):
            part = references[start : start + MOST_ENTITIES]
            yield audit.told(on, deed.interaction, deed.what, deed.query, part, patient)


def _by_patient(deed: Deed, known: Mapping[Shown, Known]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for shown in map(tuple, deed.shown):
        one = known.get((shown[0], shown[1]))
        for patient in one.patients or ("",) if one else ():
            found.setdefault(patient, []).append(one.reference if one else "")
    return found or {"": []}


def _occasion(deed: Deed, server: str) -> Occasion:
    actor = Actor(Role(deed.role), deed.subject, deed.fhir_user, client=deed.client)
    return Occasion(
        actor,
        Purpose(deed.purpose),
        deed.recorded,
        deed.address,
        server,
        deed.request,
        deed.status,
        deed.reason,
        deed.consent,
    )

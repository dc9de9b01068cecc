"""The seal on drafts: nothing but a sign-off moves a draft of the assistant on, whichever way the write comes in.

A WriteHook, so that update, patch, transaction, import and what comes later all meet it. The sign-off breaks the seal of one draft, for
its own transaction only. https://hl7.org/fhir/R4/medicationrequest.html and https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from ai_layer.drafts.checks.reading import elements, part, plain, target
from ai_layer.drafts.checks.visit import FIRM
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.service import AIAST, is_unsigned_draft
from fhir_server.store.bodies import decompress
from fhir_server.store.hooks import Change

Json = dict[str, Any]
SIGNED = {"system": AIAST[0], "code": "CLINAST", "display": "clinician asserted"}
"""What a clinician has signed carries this label beside AIAST. http://terminology.hl7.org/CodeSystem/v3-ObservationValue"""
ACTING = {
    "MedicationRequest": frozenset(["active", "on-hold"]),
    "Appointment": FIRM | {"fulfilled"},
}
"""Statuses in which something happens."""
NOT_DONE = frozenset(["cancelled", "declined", "entered-in-error", "not-done", "planned"])
RESTS_ON = {
    "MedicationRequest": "basedOn",
    "MedicationDispense": "authorizingPrescription",
    "MedicationAdministration": "request",
    "Encounter": "appointment",
}
"""What is done on the strength of an order or a visit (unless its status is in NOT_DONE), and the element that names it."""

_BEFORE = """
SELECT DISTINCT ON (h.rid) h.rid, h.body FROM history h
WHERE h.rid = ANY(%s) AND h.body IS NOT NULL ORDER BY h.rid, h.version DESC
"""
_BASIS = """
SELECT coalesce(r.body, (SELECT h.body FROM history h WHERE h.rid = r.rid AND h.body IS NOT NULL ORDER BY h.version DESC LIMIT 1))
FROM resource r WHERE r.type = ANY(%s) AND r.id = ANY(%s)
"""
_BROKEN = "SELECT current_setting('chartline.signing', true)"
_BREAK = "SELECT set_config('chartline.signing', %s, true)"


def break_seal(connection: Connection[Any], draft: str) -> None:
    """Let this draft (`Type/id`) move on, up to the end of the transaction. For sign-off alone."""
    connection.execute(_BREAK, (draft,))


class DraftSeal:
    """One a process."""

    tables: tuple[str, ...] = ()

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """Raises FORBIDDEN where one of the changes does what only a sign-off may do."""
        lane = [change for change in changes if change.type in ACTING]
        moved = [*_moved(connection, lane), *_acted_on(connection, changes)]
        if moved and any(name != _broken(connection) for name in moved):
            text = "A draft of the assistant is moved on by Task/$sign-off alone."
            raise FhirError(Problem.FORBIDDEN, text)


def moves_on(before: Json, after: Json | None) -> bool:
    """Whether this change of a draft (or of one that was rejected) is one for a sign-off. Deleting it is not."""
    if after is None or not is_drafted(before):
        return False
    if has_label(after, SIGNED["code"]) and not has_label(before, SIGNED["code"]):
        return True
    is_acting = after.get("status") in ACTING[before["resourceType"]]
    if is_unsigned_draft(before):
        return not is_unsigned_draft(after) or after.get("intent") != before.get("intent")
    if before["resourceType"] == "MedicationRequest":
        return is_acting or after.get("intent") != "proposal"
    return is_acting and not has_label(before, SIGNED["code"])


def is_drafted(resource: Json) -> bool:
    """Made in the draft lane, signed or not: an Appointment, or a proposal of a MedicationRequest, with the label AIAST."""
    is_proposal = resource.get("intent") == "proposal" or resource["resourceType"] == "Appointment"
    return is_proposal and has_label(resource, AIAST[1])


def has_label(resource: Json, code: str) -> bool:
    """Whether meta.security has this code."""
    labels = elements(part(resource, "meta"), "security")
    return any((label.get("system"), label.get("code")) == (AIAST[0], code) for label in labels)


def _moved(connection: Connection[Any], lane: Sequence[Change]) -> Iterable[str]:
    """Drafts that these changes move on. Most changes are new resources, and cost nothing here."""
    later = {change.rid: change for change in lane if change.version > 1 and change.resource is not None}
    if later:
        for rid, body in connection.execute(_BEFORE, (list(later),)).fetchall():
            if moves_on(json.decode_object(decompress(body)), later[rid].resource):
                yield f"{later[rid].type}/{later[rid].id}"


def _acted_on(connection: Connection[Any], changes: Sequence[Change]) -> Iterable[str]:
    """Unsigned drafts on which something is done: a new order, a dispense, an administration, a visit. Also where they were deleted."""
    named = {
        name
        for change in changes
        if change.type in RESTS_ON and change.resource is not None and _is_done(change.resource)
        for name in _named(change.resource, RESTS_ON[change.type])
        if name.partition("/")[0] in ACTING
    }
    if named:
        kinds, ids = [TYPE_CODE[kind] for kind in ACTING], [name.partition("/")[2] for name in named]
        bodies = (body for (body,) in connection.execute(_BASIS, (kinds, ids)).fetchall() if body)
        for draft in (json.decode_object(decompress(body)) for body in bodies):
            if plain(draft) in named and is_drafted(draft) and not has_label(draft, SIGNED["code"]):
                yield plain(draft)


def _is_done(resource: Json) -> bool:
    status = resource.get("status")
    return (
        status in ACTING["MedicationRequest"]
        if resource["resourceType"] == "MedicationRequest"
        else status not in NOT_DONE
    )


def _named(resource: Json, name: str) -> list[str]:
    """The references of an element that repeats, or does not."""
    return [target(each) for each in (part(resource, name), *elements(resource, name)) if each]


def _broken(connection: Connection[Any]) -> str:
    row = connection.execute(_BROKEN).fetchone()
    return str(row[0] or "") if row else ""

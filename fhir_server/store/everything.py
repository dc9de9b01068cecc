"""What belongs to a patient or an encounter: the compartment's members, and what supports them by being referred to.

One statement a page, walked by rid. What stands in another patient's compartment only never comes along, whoever refers to it.
https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.access.decide import Access
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.sql import Fragment, all_of
from fhir_server.store.read import Version, version_of

_COLUMNS = "r.rid, r.type, r.id, r.version, r.last_updated, r.body"
_LINKED = (
    "r.rid IN (SELECT o.rid FROM owner o UNION ALL"
    " SELECT i.rid FROM owner o JOIN reference_index i ON i.target = o.rid AND i.param = ANY(%s))"
)
_IN_COMPARTMENT = "r.rid IN (SELECT c.rid FROM owner o JOIN compartment c ON c.patient = o.rid)"
_OF_ANY_PATIENT = "r.patients <> '{}'"
_IS_OURS = "(r.patients = '{}' OR r.patients && (SELECT o.patients FROM owner o))"
_OF_OWNER = """
WITH owner AS (SELECT rid, patients FROM resource WHERE type = %s AND id = %s),
member AS MATERIALIZED (SELECT r.rid FROM resource r WHERE {member}),
wanted AS (SELECT rid, true AS is_member FROM member UNION ALL
    SELECT DISTINCT i.target, false FROM member m JOIN reference_index i ON i.rid = m.rid
    WHERE i.target IS NOT NULL AND NOT EXISTS (SELECT FROM member x WHERE x.rid = i.target)),
placed AS (SELECT {columns}, w.is_member, CASE WHEN r.rid = (SELECT o.rid FROM owner o) THEN 0 ELSE r.rid END AS place
    FROM wanted w JOIN resource r ON r.rid = w.rid WHERE (w.is_member OR {ours}) AND {shown})
SELECT * FROM placed WHERE place > %s ORDER BY place LIMIT %s
"""
_OF_ALL = """
SELECT {columns}, r.patients <> '{{}}' AS is_member, r.rid AS place FROM resource r
WHERE {shown} AND (({member}) OR (r.patients = '{{}}' AND EXISTS (SELECT FROM reference_index i
    WHERE i.target = r.rid AND i.rid IN (SELECT r.rid FROM resource r WHERE r.rid = i.rid AND {member}))))
AND r.rid > %s ORDER BY r.rid LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`owner`: type and id, or nothing for every patient's; `linking`: parameters that put a resource into an encounter's compartment.

    `care`: numbers of the date parameters that say when care was given, `start` and `end` the time it has to touch; `after`: place of
    the last one of the page before.
    """

    owner: tuple[str, str] | None
    linking: Sequence[int] = ()
    types: Sequence[str] = ()
    since: datetime | None = None
    care: Sequence[int] = ()
    start: datetime | None = None
    end: datetime | None = None
    after: int = -1


@dataclass(frozen=True, slots=True)
class Part:
    """A resource, whether it is in the compartment itself, and its place in the order of pages."""

    found: Version
    is_member: bool
    place: int


def everything(connection: Connection[Any], access: Access, wanted: Wanted, limit: int) -> list[Part]:
    """A page. Indexes: compartment's key, reference_target, reference_rid."""
    readable = all_of([Fragment("r.body IS NOT NULL"), Fragment("NOT r.draft"), access.on("r")])
    shown = all_of([readable, *_narrowed(wanted)])
    member = all_of([readable, _membership(wanted), *_cared(wanted)])
    if wanted.owner:
        text = _OF_OWNER.format(columns=_COLUMNS, member=member.text, shown=shown.text, ours=_IS_OURS)
        kind, logical_id = wanted.owner
        values = (TYPE_CODE[kind], logical_id, *member.values, *shown.values)
    else:
        text = _OF_ALL.format(columns=_COLUMNS, member=member.text, shown=shown.text)
        values = (*shown.values, *member.values, *member.values)
    rows = connection.execute(text, (*values, wanted.after, limit)).fetchall()
    return [Part(version_of(row), is_member, place) for *row, is_member, place in rows]


def _membership(wanted: Wanted) -> Fragment:
    if wanted.owner is None:
        return Fragment(_OF_ANY_PATIENT)
    if wanted.owner[0] == "Patient":
        return Fragment(_IN_COMPARTMENT)
    return Fragment(_LINKED, (list(wanted.linking),))


def _narrowed(wanted: Wanted) -> list[Fragment]:
    found = []
    if wanted.types:
        found.append(Fragment("r.type = ANY(%s)", ([TYPE_CODE[name] for name in wanted.types],)))
    if wanted.since:
        found.append(Fragment("r.last_updated >= %s", (wanted.since,)))
    return found


def _cared(wanted: Wanted) -> list[Fragment]:
    """From the first to the last of its dates of care it touches the time; what has no such date stays."""
    if not (wanted.start or wanted.end):
        return []
    tests = [Fragment("min(d.lo) < %s", (wanted.end,))] if wanted.end else []
    tests += [Fragment("max(d.hi) > %s", (wanted.start,))] if wanted.start else []
    touches = all_of(tests)
    text = f"(SELECT count(*) = 0 OR ({touches.text}) FROM date_index d WHERE d.rid = r.rid AND d.param = ANY(%s))"
    return [Fragment(text, (*touches.values, list(wanted.care)))]

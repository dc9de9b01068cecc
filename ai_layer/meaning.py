"""Search by meaning: `_semantic`, and the special search parameters of users, ranked by the cosine of vectors.

score = 1 - distance / 2. Exact: equal texts share a vector, so all texts of a hospital are some thousands, and every filter holds before
the order does. A patient's Consents decide whether the record may be searched so, as for $retrieve. docs/performance.md
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from ai_layer.embed import embed_query
from ai_layer.permission import Permission
from ai_layer.settings import QUESTION_LETTERS, AiSettings
from ai_layer.vectors import config_of
from fhir_server.access.actor import Role
from fhir_server.access.consent import Mode, permits
from fhir_server.interactions.context import Context
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE, SearchParameter
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.parameters import Parameter
from fhir_server.search.ranking import Config, Ranking
from fhir_server.sql import TRUE, Fragment, all_of
from fhir_server.store.bodies import decompress

TYPES = ("Observation", "Condition", "MedicationRequest", "DiagnosticReport")
URL = "urn:chartline:search:semantic"
FIRST = 5001
"""The number of `_semantic` on the first of its types."""
MOST_CONSENTS = 20_000
"""Consents that one search weighs at most."""
_PASSAGES = """
SELECT p.rid, t.score FROM passage p JOIN (
    SELECT hash, (1 - (embedding OPERATOR(public.<=>) %s::public.vector) / 2)::float8 AS score FROM passage_text
    WHERE public.vector_dims(embedding) = %s OFFSET 0) t ON t.hash = p.hash
WHERE p.type = %s
"""
_MEANINGS = """
SELECT m.rid, (1 - min(m.embedding OPERATOR(public.<=>) %s::public.vector) / 2)::float8 AS score FROM meaning m
WHERE m.param = ANY(%s) AND public.vector_dims(m.embedding) = %s
GROUP BY m.rid HAVING 1 - min(m.embedding OPERATOR(public.<=>) %s::public.vector) / 2 >= %s
"""
_CONSENTS = """
SELECT c.patient, o.id, r.body FROM resource r JOIN compartment c ON c.rid = r.rid JOIN resource o ON o.rid = c.patient
WHERE r.type = %s AND r.body IS NOT NULL AND (%s::text IS NULL OR o.id = %s) LIMIT %s
"""
_HELD_BY = """
SELECT c.patient, r.rid, r.body FROM compartment c JOIN resource r ON r.rid = c.rid
WHERE c.patient = ANY(%s) AND r.type = %s AND r.body IS NOT NULL
"""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The search.ranking.Ranker of this layer."""

    @property
    def parameters(self) -> tuple[SearchParameter, ...]:
        """`_semantic`, once a type."""
        return tuple(
            SearchParameter(FIRST + n, name, "_semantic", "special", "", (), (), URL)
            for n, name in enumerate(TYPES)
        )

    def config(self, resource: Mapping[str, Any]) -> Config:
        """Of a user's SearchParameter."""
        return config_of(resource)

    def rank(self, context: Context, parameter: Parameter, text: str) -> Ranking:
        """Raises BAD_PARAMETER for a text that is too long."""
        if len(text) > QUESTION_LETTERS or not text.strip():
            raise FhirError(
                Problem.BAD_PARAMETER, f"{parameter.code}: expected up to {QUESTION_LETTERS} letters."
            )
        return Ranking(_scores(context, parameter, text), _allowed(context, parameter.base))


def _scores(context: Context, parameter: Parameter, text: str) -> Fragment:
    name = AiSettings.of(context.service.settings).embedder
    found = embed_query(name, text)
    vector, dimensions = str(found.tolist()), len(found)
    if parameter.code == "_semantic":
        return Fragment(_PASSAGES, (vector, dimensions, TYPE_CODE[parameter.base]))
    least = float(dict(parameter.config).get("minimumScore", "0"))
    return Fragment(_MEANINGS, (vector, list(parameter.stored), dimensions, vector, least))


def _allowed(context: Context, resource_type: str) -> Fragment:
    """The condition on `r`: no patient of its compartments withholds it from the assistant."""
    with context.connect() as connection:
        return _by_consents(context, connection, TYPE_CODE[resource_type])


def _by_consents(context: Context, connection: Connection[Any], kind: int) -> Fragment:
    permissions = _permissions(context, connection)
    narrowed = {rid: p for rid, p in permissions.items() if p.decision.narrowed}
    withheld = _withheld(connection, kind, narrowed)
    parts = [Fragment("r.rid <> ALL(%s::bigint[])", (withheld,))] if withheld else []
    if AiSettings.of(context.service.settings).opt_in:
        open_ = [rid for rid, p in permissions.items() if p.decision.permit or p.decision.narrowed]
        parts.append(Fragment("r.patients <@ %s::bigint[]", (open_,)) if open_ else _of_nobody())
    elif closed := [rid for rid, p in permissions.items() if not (p.decision.permit or p.decision.narrowed)]:
        parts.append(Fragment("NOT r.patients && %s::bigint[]", (closed,)))
    return all_of(parts) if parts else TRUE


def _of_nobody() -> Fragment:
    """Where nobody has permitted it, what is in no patient's compartment remains."""
    return Fragment("r.patients = '{}'::bigint[]")


def _permissions(context: Context, connection: Connection[Any]) -> dict[int, Permission]:
    """By the rid of each patient that has Consents."""
    actor = context.access.actor
    only = actor.patient if actor.role is Role.PATIENT else None
    values = (TYPE_CODE["Consent"], only, only, MOST_CONSENTS + 1)
    rows = connection.execute(_CONSENTS, values).fetchall()
    if len(rows) > MOST_CONSENTS:
        raise FhirError(
            Problem.NOT_PROCESSABLE,
            f"More than {MOST_CONSENTS} Consents would have to be weighed; ask $retrieve of a patient.",
        )
    found: dict[tuple[int, str], list[Json]] = defaultdict(list)
    for patient, logical_id, body in rows:
        found[patient, logical_id].append(json.decode_object(decompress(body)))
    return {
        patient: _permission(context, logical_id, consents)
        for (patient, logical_id), consents in found.items()
    }


def _permission(context: Context, patient_id: str, consents: Sequence[Json]) -> Permission:
    mode: Mode = "opt-in" if AiSettings.of(context.service.settings).opt_in else "opt-out"
    access = context.access
    decision = permits(consents, access.purpose, access.actor, mode, context.now(), patient=patient_id)
    return Permission(context, patient_id, mode, consents, decision)


def _withheld(connection: Connection[Any], kind: int, narrowed: Mapping[int, Permission]) -> list[int]:
    """The rids of what a Consent that speaks of some resources only leaves out."""
    if not narrowed:
        return []
    rows = connection.execute(_HELD_BY, (list(narrowed), kind)).fetchall()
    return sorted({rid for patient, rid, body in rows if not narrowed[patient].allows(decompress(body))})

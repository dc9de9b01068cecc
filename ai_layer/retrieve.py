"""retrieve: a patient's resources that bear on a question, best first, under an Access, in one statement.

Concepts first: the patient's distinct texts (tens of them) are ranked by meaning, by a small bonus for words and a larger one for
concepts that the question names; then SQL takes their resources by time. docs/performance.md has what this was measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection

from ai_layer.embed import embed_query
from ai_layer.evidence import Evidence, evidence_from
from ai_layer.passages import EXCLUDED
from ai_layer.question import Question
from fhir_server.access.decide import Access
from fhir_server.access.purpose import Purpose
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.store.read import Version, version_of

WORD_BONUS = 0.1
CODED_BONUS, NAMED_BONUS, RELATED_BONUS = 0.5, 0.3, 0.06
"""For what has a code that the question names, a name that it names, or belongs to the same field."""
KIND_BONUS = 0.2
CURRENT_BONUS = {"list": 0.4, "one": 0.02}
"""For what goes on; taken off where the question asks for what is over."""
TEXTS = 12
"""Concepts whose resources are looked at."""
A_TEXT = {"latest": 6, "trend": 40, "first": 40}
"""Resources of one concept, newest first; `first` starts from the oldest."""
PLACE_LOSS = {"latest": 0.03, "trend": 0.002, "first": 0.03}
"""What each next resource of a concept counts less, so that the newest of several concepts stand together."""
CURRENT = ("active", "on-hold", "recurrence", "relapse")


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, how well it fits (0..1), and what it is filed under."""

    version: Version
    score: float
    label: str
    code: str
    is_named: bool


_PATIENT = f"(SELECT rid FROM resource WHERE type = {TYPE_CODE['Patient']} AND id = %(patient)s)"
_STATEMENT = """
WITH owner AS (SELECT {patient_rid} AS rid),
candidate AS (
    SELECT p.hash, p.code, p.type, min(p.label) AS label, bool_or(p.status = ANY(%(current)s)) AS goes_on,
        (SELECT min(u.n) FROM unnest(%(codes)s::text[], %(code_groups)s::int[]) AS u(code, n) WHERE u.code = p.code) AS named_as
    FROM passage p, owner WHERE p.patient = owner.rid AND p.status <> ALL(%(excluded)s)
      AND (%(types)s::smallint[] IS NULL OR p.type = ANY(%(types)s))
      AND (%(since)s::timestamptz IS NULL OR p.time >= %(since)s) AND (%(until)s::timestamptz IS NULL OR p.time < %(until)s)
    GROUP BY p.hash, p.code, p.type
),
scored AS (
    SELECT c.hash, c.code, c.type, is_named, coalesce('#' || c.named_as, nullif(c.code, ''), encode(c.hash, 'hex')) AS concept,
        CASE WHEN %(lists)s THEN 0.5 + CASE WHEN t.text ~* '(laboratory|vital.signs)' THEN 0.05 ELSE 0 END ELSE
        (1 - (t.embedding OPERATOR(public.<=>) %(vector)s::public.vector)) * 0.8
        + %(word_bonus)s * (SELECT count(*) FROM unnest(%(words)s::text[]) w WHERE position(w IN words) > 0) / greatest(cardinality(%(words)s::text[]), 1)
        + CASE WHEN c.named_as IS NOT NULL THEN %(coded_bonus)s WHEN is_named THEN %(named_bonus)s
               WHEN c.code = ANY(%(related)s) THEN %(related_bonus)s ELSE 0 END
        + CASE WHEN c.type = ANY(%(kinds)s) THEN %(kind_bonus)s ELSE 0 END END
        + CASE WHEN c.goes_on THEN %(current_bonus)s ELSE 0 END AS score
    FROM candidate c JOIN passage_text t ON t.hash = c.hash
    CROSS JOIN LATERAL (SELECT lower(t.text || '. ' || c.label) AS words) AS w
    CROSS JOIN LATERAL (SELECT c.named_as IS NOT NULL
        OR EXISTS (SELECT FROM unnest(%(names)s::text[], %(name_types)s::smallint[]) AS n(name, type)
                   WHERE n.type = c.type AND position(n.name IN words) > 0)
        OR (SELECT 2 * count(*) FILTER (WHERE words ~ ('\\m' || w)) > count(*) FROM unnest(%(words)s::text[]) w WHERE length(w) > 3) AS is_named) AS x
),
concept AS (SELECT *, max(score) OVER (PARTITION BY type, concept) AS best FROM scored),
ranked AS (SELECT *, dense_rank() OVER (ORDER BY best DESC, type, concept) AS rank FROM concept),
numbered AS (
    SELECT p.rid, p.label, p.code, p.time, k.best, k.is_named,
        row_number() OVER (PARTITION BY k.type, k.concept ORDER BY {current} p.time {order} NULLS LAST, p.rid) AS place
    FROM ranked k JOIN passage p ON p.hash = k.hash AND p.code = k.code AND p.type = k.type JOIN owner ON p.patient = owner.rid
    WHERE k.rank <= %(texts)s AND p.status <> ALL(%(excluded)s)
      AND (%(since)s::timestamptz IS NULL OR p.time >= %(since)s) AND (%(until)s::timestamptz IS NULL OR p.time < %(until)s)
)
SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.body, n.best - %(place_loss)s * n.place AS score, n.label, n.code, n.is_named
FROM numbered n JOIN resource r ON r.rid = n.rid
WHERE n.place <= %(a_text)s AND r.body IS NOT NULL AND NOT r.draft AND ({access})
ORDER BY 7 DESC, n.time {order} NULLS LAST, n.place, n.rid LIMIT %(limit)s
"""


def retrieve(
    connection: Connection[Any],
    access: Access,
    patient_id: str,
    question: Question,
    embedder: str,
    limit: int,
    types: Sequence[str] = (),
) -> list[Found]:
    """At most `limit` resources of this patient. An unknown patient has none; no patient at all is an error."""
    if not patient_id:
        raise ValueError("Retrieval needs a patient.")
    allowed = access.on("r")
    values = {f"access_{n}": value for n, value in enumerate(allowed.values)}
    statement = _STATEMENT.format(
        patient_rid=_PATIENT,
        access=_named(allowed.text, list(values)),
        order="ASC" if question.time.wants == "first" else "DESC",
        current=_current_first(question),
    )
    found = connection.execute(
        statement, {**values, **_values(patient_id, question, embedder, limit, types)}
    ).fetchall()
    top = max([1.0, *(float(row[6]) for row in found)])
    return [
        Found(version_of(row[:6]), max(0.0, float(row[6]) / top), row[7], row[8], bool(row[9]))
        for row in found
    ]


_EVENT = """
SELECT max(p.time) FROM passage p JOIN passage_text t ON t.hash = p.hash JOIN resource r ON r.rid = p.rid
WHERE p.patient = {patient_rid} AND p.type = ANY(%(kinds)s) AND p.status <> ALL(%(excluded)s) AND r.body IS NOT NULL AND NOT r.draft
  AND (p.code = ANY(%(codes)s) OR (%(pattern)s <> '' AND p.type = %(procedure)s AND t.text ~* %(pattern)s)) AND ({access})
"""


def anchored(connection: Connection[Any], access: Access, patient_id: str, question: Question) -> Question:
    """The question with its time bounded by the event that it names (`before the operation`), where the record holds one."""
    if question.anchor is None:
        return question
    allowed = access.on("r")
    values = {f"access_{n}": value for n, value in enumerate(allowed.values)}
    statement = _EVENT.format(patient_rid=_PATIENT, access=_named(allowed.text, list(values)))
    kinds = [TYPE_CODE["Procedure"], TYPE_CODE["Condition"]]
    event = {"codes": list(question.anchor.codes), "pattern": question.anchor.pattern, "procedure": kinds[0]}
    more = {"patient": patient_id, "kinds": kinds, "excluded": list(EXCLUDED)}
    row = connection.execute(statement, {**values, **event, **more}).fetchone()
    if row is None or row[0] is None:
        return question
    return replace(question, time=replace(question.time, **{question.anchor.side: row[0]}))


def _current_first(question: Question) -> str:
    """What goes on before what is over, or the other way round, or neither."""
    if question.asks_for_what_is_over:
        return "(p.status = ANY(%(current)s)),"
    return "" if question.asks_for_the_past else "(p.status = ANY(%(current)s)) DESC,"


def _named(text: str, names: list[str]) -> str:
    """The Fragment's placeholders under names, since the statement uses some of its values several times."""
    parts = text.split("%s")
    return "".join(
        part + (f"%({name})s" if name else "") for part, name in zip(parts, [*names, ""], strict=True)
    )


def _values(
    patient_id: str, question: Question, embedder: str, limit: int, types: Sequence[str]
) -> dict[str, Any]:
    wanted = [TYPE_CODE[t] for t in types] or (
        [TYPE_CODE[t] for t in question.types] if question.lists_a_kind else None
    )
    return {
        "patient": patient_id,
        "vector": str(embed_query(embedder, question.meaning).tolist()),
        "codes": question.codes,
        "code_groups": question.code_groups,
        "names": [name for name, _ in question.names],
        "name_types": [TYPE_CODE[kind] for _, kind in question.names],
        "related": question.related,
        "words": list(question.words),
        "kinds": [TYPE_CODE[t] for t in question.types],
        "types": wanted,
        "since": question.time.since,
        "until": question.time.until,
        "limit": limit,
        **_weights(question),
    }


def _weights(question: Question) -> dict[str, Any]:
    """What decides the order, by the way in which the question asks."""
    current = CURRENT_BONUS["list" if question.lists_a_kind else "one"]
    return {
        "lists": question.lists_a_kind,
        "texts": 200 if question.lists_a_kind else TEXTS,
        "a_text": 1 if question.lists_a_kind else A_TEXT[question.time.wants],
        "place_loss": PLACE_LOSS[question.time.wants],
        "word_bonus": WORD_BONUS,
        "coded_bonus": CODED_BONUS,
        "named_bonus": NAMED_BONUS,
        "related_bonus": RELATED_BONUS,
        "kind_bonus": KIND_BONUS,
        "current": list(CURRENT),
        "current_bonus": -current
        if question.asks_for_what_is_over
        else 0
        if question.asks_for_the_past
        else current,
        "excluded": list(EXCLUDED),
    }


def evidence_of(found: Sequence[Found], purpose: Purpose) -> list[Evidence]:
    """What was found, as an answer for this purpose may use it."""
    return [
        evidence_from(f.version.body or b"{}", f.version.version, purpose, f.score, f.is_named) for f in found
    ]

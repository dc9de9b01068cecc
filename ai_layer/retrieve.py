"""retrieve: a patient's resources that bear on a question, best first, under an Access, in one statement.

Concepts first: the patient's distinct texts (tens of them) are ranked by meaning, by a small bonus for words and a larger one for
concepts that the question names; then SQL takes their resources by time. docs/performance.md has what this was measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from ai_layer.embed import embed_query
from ai_layer.evidence import Evidence, evidence_from
from ai_layer.passages import EXCLUDED
from ai_layer.question import Question
from fhir_server.access.decide import Access
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.store.read import Version, version_of

WORD_BONUS = 0.1
CONCEPT_BONUS = 0.35
KIND_BONUS = 0.15
TEXTS = 12
"""Distinct texts whose resources are looked at."""
A_TEXT = {"latest": 6, "trend": 40, "first": 40}
"""Resources of one text, newest first; `first` starts from the oldest."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, how well it fits (0..1), and what it is filed under."""

    version: Version
    score: float
    label: str
    code: str
    is_named: bool


_STATEMENT = """
WITH owner AS (SELECT {patient_rid} AS rid),
candidate AS (
    SELECT p.hash, p.code, min(p.type) AS type, bool_or(p.code = ANY(%(codes)s)) AS coded
    FROM passage p, owner WHERE p.patient = owner.rid AND p.status <> ALL(%(excluded)s)
      AND (%(types)s::smallint[] IS NULL OR p.type = ANY(%(types)s))
      AND (%(since)s::timestamptz IS NULL OR p.time >= %(since)s) AND (%(until)s::timestamptz IS NULL OR p.time < %(until)s)
    GROUP BY p.hash, p.code
),
ranked AS (
    SELECT c.hash, c.code, named, 1 - (t.embedding OPERATOR(public.<=>) %(vector)s::public.vector)
        + %(word_bonus)s * (SELECT count(*) FROM unnest(%(words)s::text[]) w WHERE position(w IN lower(t.text)) > 0) / greatest(cardinality(%(words)s::text[]), 1)
        + CASE WHEN named THEN %(concept_bonus)s ELSE 0 END
        + CASE WHEN c.type = ANY(%(kinds)s) THEN %(kind_bonus)s ELSE 0 END AS score
    FROM candidate c JOIN passage_text t ON t.hash = c.hash
    CROSS JOIN LATERAL (SELECT c.coded OR EXISTS (SELECT FROM unnest(%(names)s::text[]) n WHERE position(n IN lower(t.text)) > 0)
        OR (SELECT 2 * count(*) FILTER (WHERE t.text ~* ('\\m' || w)) > count(*) FROM unnest(%(words)s::text[]) w WHERE length(w) > 3) AS named) AS x
    ORDER BY score DESC, c.hash LIMIT %(texts)s
),
numbered AS (
    SELECT p.rid, p.label, p.code, p.time, k.score, k.named, row_number() OVER (PARTITION BY k.hash, k.code ORDER BY p.time {order} NULLS LAST, p.rid) AS place
    FROM ranked k JOIN passage p ON p.hash = k.hash AND p.code = k.code JOIN owner ON p.patient = owner.rid
    WHERE p.status <> ALL(%(excluded)s)
      AND (%(since)s::timestamptz IS NULL OR p.time >= %(since)s) AND (%(until)s::timestamptz IS NULL OR p.time < %(until)s)
)
SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.body, n.score - 0.002 * n.place AS score, n.label, n.code, n.named
FROM numbered n JOIN resource r ON r.rid = n.rid
WHERE n.place <= %(a_text)s AND r.body IS NOT NULL AND NOT r.draft AND ({access})
ORDER BY n.score DESC, n.place, n.rid LIMIT %(limit)s
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
        patient_rid=f"(SELECT rid FROM resource WHERE type = {TYPE_CODE['Patient']} AND id = %(patient)s)",
        access=_named(allowed.text, list(values)),
        order="ASC" if question.time.wants == "first" else "DESC",
    )
    found = connection.execute(
        statement, {**values, **_values(patient_id, question, embedder, limit, types)}
    ).fetchall()
    top = max([1.0, *(float(row[6]) for row in found)])
    return [
        Found(version_of(row[:6]), max(0.0, float(row[6]) / top), row[7], row[8], bool(row[9]))
        for row in found
    ]


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
        "vector": str(embed_query(embedder, question.text).tolist()),
        "codes": question.codes,
        "names": question.names,
        "words": list(question.words),
        "kinds": [TYPE_CODE[t] for t in question.types],
        "types": wanted,
        "excluded": list(EXCLUDED),
        "since": question.time.since,
        "until": question.time.until,
        "texts": 200 if question.lists_a_kind else TEXTS,
        "a_text": 1 if question.lists_a_kind else A_TEXT[question.time.wants],
        "limit": limit,
        "word_bonus": WORD_BONUS,
        "concept_bonus": CONCEPT_BONUS,
        "kind_bonus": KIND_BONUS,
    }


def evidence_of(found: Sequence[Found]) -> list[Evidence]:
    """What was found, as an answer may use it."""
    return [evidence_from(f.version.body or b"{}", f.version.version, f.score, f.is_named) for f in found]

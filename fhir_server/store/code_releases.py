"""A release of a code system into its tables, in the caller's transaction: until it ends, what was there before is what holds.

Pieces go by COPY into tables of this transaction alone, and become concepts in one statement. https://hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from psycopg import Connection, DataError
from psycopg.errors import ProgramLimitExceeded

from mappings.releases.lines import NotReadable
from mappings.releases.pieces import DEFINITION, Code, Edge, Fact, Head, Name, Piece, as_property
from terminology.codes.filters import words

BATCH = 50_000
"""Pieces that are in memory at a time."""
LONGEST_WORD = 200
"""Letters of a word that count in a search by words."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_STAGES = """
CREATE TEMP TABLE stage_code (code text COLLATE "C", position integer, is_inactive boolean) ON COMMIT DROP;
CREATE TEMP TABLE stage_name (code text COLLATE "C", rank smallint, value text, designation text, words text) ON COMMIT DROP;
CREATE TEMP TABLE stage_edge (child text COLLATE "C", parent text COLLATE "C") ON COMMIT DROP;
CREATE TEMP TABLE stage_fact (code text COLLATE "C", fact text, property text, definition text) ON COMMIT DROP
"""
_CLEAR = "DROP TABLE stage_code, stage_name, stage_edge, stage_fact"
_SAME = "SELECT concepts FROM code_release WHERE url = %s AND version = %s AND digest = %s"
_DROP = "DELETE FROM code_release WHERE url = %s AND version = %s"
_DROP_OTHERS = "DELETE FROM code_release WHERE url = %s AND edition = %s AND number <> %s"
_RELEASE = """
INSERT INTO code_release
    (url, version, edition, name, version_order, is_case_sensitive, digest, loaded, concepts)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0) RETURNING number
"""
_CONCEPTS = """
INSERT INTO code_concept
    (release, code, position, display, definition, is_inactive, parents, designations, properties, facts, words)
SELECT %(release)s, c.code, c.position, coalesce(n.display, c.code), coalesce(f.definition, ''), c.is_inactive,
    coalesce(e.parents, '{}'), coalesce(n.designations, '[]'), coalesce(f.properties, '[]'),
    coalesce(f.facts, '{}'), coalesce(n.words, '')
FROM (SELECT code, min(position) AS position, coalesce(bool_and(is_inactive), false) AS is_inactive FROM stage_code GROUP BY code) c
LEFT JOIN (
    SELECT code, (array_agg(value ORDER BY rank, value))[1] AS display,
        jsonb_agg(designation::jsonb ORDER BY rank, value) FILTER (WHERE designation <> '') AS designations,
        array_to_tsvector(array_remove(string_to_array(string_agg(words, ' '), ' '), '')) AS words
    FROM stage_name GROUP BY code
) n USING (code)
LEFT JOIN (
    SELECT child AS code, array_agg(DISTINCT parent) AS parents FROM stage_edge GROUP BY child
) e USING (code)
LEFT JOIN (
    SELECT code, array_agg(DISTINCT fact) FILTER (WHERE fact <> '') AS facts,
        jsonb_agg(DISTINCT property::jsonb) FILTER (WHERE property <> '') AS properties,
        min(definition) FILTER (WHERE definition <> '') AS definition
    FROM stage_fact GROUP BY code
) f USING (code)
"""
_EDGES = """
INSERT INTO code_edge (release, parent, child)
SELECT DISTINCT %(release)s::integer, parent, child FROM stage_edge
WHERE EXISTS (SELECT FROM stage_code c WHERE c.code = child) AND EXISTS (SELECT FROM stage_code c WHERE c.code = parent)
"""
_COUNT = """
UPDATE code_release SET concepts = (SELECT count(*) FROM code_concept WHERE release = %(release)s)
WHERE number = %(release)s RETURNING concepts
"""
_ANALYZE_STAGES = "ANALYZE stage_code, stage_name, stage_edge, stage_fact"
_ANALYZE = "ANALYZE code_concept, code_edge"
"""Planners have to learn at once what the tables hold now."""


def same(connection: Connection[Any], head: Head, digest: str) -> int | None:
    """How many concepts this very release has here; None where it is not here, or with another content."""
    row = connection.execute(_SAME, (head.url, head.version, digest)).fetchone()
    return int(row[0]) if row else None


def store(
    connection: Connection[Any],
    head: Head,
    digest: str,
    pieces: Iterable[Piece],
    now: datetime,
    *,
    told: Callable[[int], object] = lambda count: None,
    replace: bool = False,
) -> int:
    """Put the release in place of the same version, with `replace` of every other of its edition too; how many concepts it has.

    `told` is called with the number of pieces so far. Raises NotReadable for what no table takes: a code of thousands of letters, say.
    """
    try:
        return _store(connection, head, digest, pieces, now, told, replace)
    except (DataError, ProgramLimitExceeded) as error:
        raise NotReadable(f"The database does not take it: {error.diag.message_primary}.") from None


def _store(
    connection: Connection[Any],
    head: Head,
    digest: str,
    pieces: Iterable[Piece],
    now: datetime,
    told: Callable[[int], object],
    replace: bool,
) -> int:
    connection.execute(_LOCK, (f"code_release {head.url}",))
    connection.execute(_STAGES)
    _stage(connection, head, pieces, told)
    connection.execute(_ANALYZE_STAGES)
    connection.execute(_DROP, (head.url, head.version))
    row = connection.execute(
        _RELEASE,
        (
            head.url,
            head.version,
            head.edition,
            head.name,
            head.order,
            head.is_case_sensitive,
            digest,
            now,
        ),
    ).fetchone()
    assert row is not None
    release = {"release": row[0]}
    connection.execute(_CONCEPTS, release)
    connection.execute(_EDGES, release)
    if replace:
        connection.execute(_DROP_OTHERS, (head.url, head.edition, row[0]))
    counted = connection.execute(_COUNT, release).fetchone()
    connection.execute(_CLEAR)
    connection.execute(_ANALYZE)
    assert counted is not None
    return int(counted[0])


def _stage(
    connection: Connection[Any], head: Head, pieces: Iterable[Piece], told: Callable[[int], object]
) -> None:
    count, waiting = 0, iter(pieces)
    while batch := list(islice(waiting, BATCH)):
        for kind, (table, columns) in _TABLES.items():
            rows = list(_rows(head, [piece for piece in batch if type(piece) is kind], count))
            if rows:
                _copy(connection, f"COPY {table} ({columns}) FROM STDIN", rows)
        count += len(batch)
        told(count)


def _copy(connection: Connection[Any], statement: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


_TABLES: dict[type, tuple[str, str]] = {
    Code: ("stage_code", "code, position, is_inactive"),
    Name: ("stage_name", "code, rank, value, designation, words"),
    Edge: ("stage_edge", "child, parent"),
    Fact: ("stage_fact", "code, fact, property, definition"),
}


def _rows(head: Head, pieces: Iterable[Piece], start: int) -> Iterator[Sequence[Any]]:
    for number, piece in enumerate(pieces, start):
        match piece:
            case Code():
                yield piece.code, number, piece.is_inactive
            case Name():
                yield piece.code, piece.rank, piece.value, piece.designation, " ".join(searched(piece.value))
            case Edge():
                yield piece
            case Fact(kind=kind) if kind == DEFINITION:
                yield piece.code, "", "", piece.value
            case Fact():
                yield piece.code, fact_of(head, piece.property, piece.value), as_property(piece), ""


def searched(text: str) -> list[str]:
    """The words by which a text is found: Postgres takes none of more than 2,046 bytes."""
    return [word[:LONGEST_WORD] for word in words(text)]


def fact_of(head: Head, name: str, value: str) -> str:
    """How a value of a property is kept for filters."""
    return f"{name}={value if head.is_case_sensitive else value.upper()}"

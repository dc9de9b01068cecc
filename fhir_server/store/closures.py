"""Closure tables of clients: the codes that each holds, with the version that brought them.

https://hl7.org/fhir/R4/terminology-service.html#closure
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

Held = dict[tuple[str, str], int]
"""(system, code) -> the version that brought it."""

_EMPTY = "DELETE FROM closure WHERE name = %s"
_START = "INSERT INTO closure (name, version) VALUES (%s, 0)"
_LOCK = "SELECT version FROM closure WHERE name = %s FOR UPDATE"
_RAISE = "UPDATE closure SET version = %s WHERE name = %s"
_HELD = "SELECT system, code, version FROM closure_concept WHERE name = %s"
_ADD = """
INSERT INTO closure_concept (name, system, code, version)
SELECT %s, u.system, u.code, %s FROM unnest(%s::text[], %s::text[]) AS u (system, code)
ON CONFLICT DO NOTHING
"""


def start(connection: Connection[Any], name: str) -> None:
    """An empty table of this name, whatever it held before."""
    connection.execute(_EMPTY, (name,))
    connection.execute(_START, (name,))


def lock(connection: Connection[Any], name: str) -> int | None:
    """Its version, and nobody else changes it until the transaction ends; None where it was never started."""
    row = connection.execute(_LOCK, (name,)).fetchone()
    return int(row[0]) if row else None


def held(connection: Connection[Any], name: str) -> Held:
    """The codes in it."""
    rows = connection.execute(_HELD, (name,)).fetchall()
    return {(system, code): version for system, code, version in rows}


def add(connection: Connection[Any], name: str, version: int, concepts: Sequence[tuple[str, str]]) -> None:
    """These codes come with this version."""
    systems, codes = [system for system, _ in concepts], [code for _, code in concepts]
    connection.execute(_ADD, (name, version, systems, codes))
    connection.execute(_RAISE, (version, name))

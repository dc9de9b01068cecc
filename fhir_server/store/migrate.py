"""Migrations: numbered SQL files, each run once, in order, under a lock.

A file that has run may not change any more: its hash is recorded, and another one is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import Connection

from fhir_server.settings import ConfigurationError

_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql\Z")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('chartline migrate', 0))"
_TABLE = """
CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, sha256 text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())
"""


def migrate(dsn: str, schema: str, folders: Sequence[Traversable]) -> list[str]:
    """Bring the tenant's schema up to date; the names of the files that ran. Raises ConfigurationError."""
    with psycopg.connect(dsn) as connection:
        connection.execute(_LOCK)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(f"SET LOCAL search_path TO {schema}, public")
        connection.execute(_TABLE)
        done: dict[str, str] = dict(connection.execute("SELECT name, sha256 FROM migration").fetchall())
        return [name for name, text in _files(folders) if _run(connection, name, text, done)]


def pending(dsn: str, schema: str, folders: Sequence[Traversable]) -> list[str]:
    """The names of the files that have not run yet."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT to_regclass(%s)", (f"{schema}.migration",)).fetchone()
        if row is None or row[0] is None:
            return [name for name, _ in _files(folders)]
        done = {name for (name,) in connection.execute(f"SELECT name FROM {schema}.migration").fetchall()}
        return [name for name, _ in _files(folders) if name not in done]


def _files(folders: Sequence[Traversable]) -> Iterator[tuple[str, str]]:
    found = [entry for folder in folders for entry in folder.iterdir() if _NAME.match(entry.name)]
    for entry in sorted(found, key=lambda e: e.name):
        yield entry.name, entry.read_text()


def _run(connection: Connection[Any], name: str, text: str, done: dict[str, str]) -> bool:
    digest = hashlib.sha256(text.encode()).hexdigest()
    if name in done:
        if done[name] != digest:
            raise ConfigurationError(
                f"Migration {name} has changed since it ran here; changes go into a new file."
            )
        return False
    connection.execute(text)
    connection.execute("INSERT INTO migration (name, sha256) VALUES (%s, %s)", (name, digest))
    return True

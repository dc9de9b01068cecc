"""Migrations: numbered SQL files, each run once, in order, under a lock, all in one transaction.

A file that has run may not change any more: its hash is recorded, and another one is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import Connection, sql

from fhir_server.settings import ConfigurationError
from fhir_server.store.database import LOCK, check_schema

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")
_TABLE = """
CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, sha256 text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())
"""

_GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    "REVOKE UPDATE, DELETE ON {schema}.audit_log, {schema}.audit_chain, {schema}.audit_seal FROM {role}",
    "REVOKE INSERT, UPDATE, DELETE ON {schema}.migration FROM {role}",
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """What it is recognised by."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrate(dsn: str, schema: str, folders: Sequence[Traversable]) -> list[str]:
    """Bring the tenant's schema up to date; the names of the files that ran. Raises ConfigurationError; then nothing has changed.

    A schema that is up to date is only read, so that later starts need no right to create anything.
    """
    check_schema(schema)
    files = read(folders)
    with psycopg.connect(dsn) as connection:
        if not _new(files, _done(connection, schema)):
            return []
        connection.execute(LOCK)
        connection.commit()  # what others made while we waited is seen by a new transaction only
        new = _new(files, _done(connection, schema))
        _prepare(connection, schema)
        for file in new:
            _run(connection, file)
    return [file.name for file in new]


def grant(dsn: str, schema: str, role: str) -> None:
    """Give the role what serving needs: everything but to change the audit log, or which migrations have run."""
    check_schema(schema)
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
    with psycopg.connect(dsn) as connection:
        for statement in _GRANTS:
            connection.execute(sql.SQL(statement).format(**names))


def pending(dsn: str, schema: str, folders: Sequence[Traversable]) -> list[str]:
    """The names of the files that have not run yet. Raises ConfigurationError where one that has run has changed."""
    with psycopg.connect(dsn) as connection:
        return [file.name for file in _new(read(folders), _done(connection, schema))]


def read(folders: Sequence[Traversable]) -> list[Migration]:
    """The files in the order of their numbers. Raises ValueError where two have the same number."""
    entries = [entry for folder in folders for entry in folder.iterdir() if _NAME.match(entry.name)]
    twice = [number for number, times in Counter(entry.name[:4] for entry in entries).items() if times > 1]
    if twice:
        raise ValueError(f"Two migrations have the number {twice[0]}.")
    return [
        Migration(entry.name, entry.read_text("utf-8")) for entry in sorted(entries, key=lambda e: e.name)
    ]


def _done(connection: Connection[Any], schema: str) -> dict[str, str]:
    table = sql.Identifier(schema, "migration")
    row = connection.execute("SELECT to_regclass(%s)", (table.as_string(),)).fetchone()
    if row is None or row[0] is None:
        return {}
    return dict(connection.execute(sql.SQL("SELECT name, sha256 FROM {}").format(table)).fetchall())


def _new(files: Sequence[Migration], done: dict[str, str]) -> list[Migration]:
    for file in files:
        if done.get(file.name, file.sha256) != file.sha256:
            raise ConfigurationError(
                f"Migration {file.name} has changed since it ran here; changes go into a new file."
            )
    return [file for file in files if file.name not in done]


def _prepare(connection: Connection[Any], schema: str) -> None:
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))
    connection.execute(_TABLE)


def _run(connection: Connection[Any], file: Migration) -> None:
    try:
        connection.execute(file.text.encode())
    except psycopg.Error as error:
        raise ConfigurationError(
            f"Migration {file.name} failed, and nothing was changed: {str(error).strip()}"
        ) from error
    connection.execute("INSERT INTO migration (name, sha256) VALUES (%s, %s)", (file.name, file.sha256))

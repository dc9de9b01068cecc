"""Database: the connections to Postgres, each inside the tenant's schema.

The one place that names psycopg's pool. Extensions live in `public`, a tenant's tables in its own schema.
https://www.psycopg.org/psycopg3/docs/advanced/pool.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, errors
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.settings import ConfigurationError

POSTGRES_NEEDED = 15
PGVECTOR_NEEDED = (0, 8)
EXTENSIONS = ("vector",)
WAIT_SECONDS = 10.0
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_UNREACHABLE = (psycopg.OperationalError, PoolTimeout)


class Database:
    """A pool of connections to one tenant; safe to share between threads, not between processes."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], dsn: str, schema: str) -> None:
        self._pool, self.dsn, self.schema = pool, dsn, schema

    @classmethod
    def open(
        cls, dsn: str, schema: str = "chartline", *, size: int = 8, statement_timeout: int = 30_000
    ) -> Database:
        """Connect and check. Raises ConfigurationError where the server cannot be used, saying what to do."""
        if not _SCHEMA.match(schema):
            raise ConfigurationError("The schema's name has lower-case letters, digits and underscores only.")
        check(dsn)
        pool = ConnectionPool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=WAIT_SECONDS,
            open=True,
            kwargs={"autocommit": False, "options": _options(schema, statement_timeout)},
        )
        return cls(pool, dsn, schema)

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """A connection for the length of the block: committed at its end, rolled back when it raises."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except errors.QueryCanceled:
            raise FhirError(Problem.UNAVAILABLE, "The database took longer than the server allows.") from None
        except (errors.DeadlockDetected, errors.SerializationFailure):
            raise
        except _UNREACHABLE:
            raise FhirError(Problem.UNAVAILABLE, "The database cannot be reached, or is busy.") from None

    @contextmanager
    def apart(self) -> Iterator[Connection[Any]]:
        """A connection outside the pool, whose work commits by itself whatever becomes of the caller's transaction."""
        with psycopg.connect(self.dsn, autocommit=True, options=_options(self.schema, 10_000)) as connection:
            yield connection

    @staticmethod
    @contextmanager
    def beside(connection: Connection[Any]) -> Iterator[Connection[Any]]:
        """As `apart`, for who has only a connection: the same server, user and schema."""
        row = connection.execute("SHOW search_path").fetchone()
        given = f"-c search_path={row[0] if row else 'public'}".replace(", ", ",").replace('"', "")
        info = connection.info
        dsn = make_conninfo(info.dsn, password=info.password)
        with psycopg.connect(dsn, autocommit=True, options=given) as other:
            yield other

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def check(dsn: str) -> None:
    """Raises ConfigurationError where the server is too old or has no pgvector."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            _check_version(connection)
            for extension in EXTENSIONS:
                _extend(connection, extension)
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            f"The database cannot be reached; check CHARTLINE_DSN. ({str(error).strip()})"
        ) from None


def _options(schema: str, statement_timeout: int) -> str:
    return f"-c search_path={schema},public -c statement_timeout={statement_timeout} -c plan_cache_mode=auto -c timezone=UTC"


def _check_version(connection: Connection[Any]) -> None:
    major = connection.info.server_version // 10_000
    if major < POSTGRES_NEEDED:
        raise ConfigurationError(f"PostgreSQL {POSTGRES_NEEDED} or newer is needed; this is {major}.")
    row = connection.execute(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise ConfigurationError(
            "This PostgreSQL has no pgvector; install it (0.8 or newer) and start again."
        )
    if tuple(int(part) for part in row[0].split(".")[:2]) < PGVECTOR_NEEDED:
        raise ConfigurationError(f"pgvector 0.8 or newer is needed; this is {row[0]}.")


def _extend(connection: Connection[Any], extension: str) -> None:
    try:
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} WITH SCHEMA public")
    except errors.UniqueViolation:
        return  # another process made it in this very moment
    except errors.InsufficientPrivilege:
        raise ConfigurationError(f"Let an administrator run: CREATE EXTENSION {extension};") from None

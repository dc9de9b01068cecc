"""Database: the connections to Postgres, each inside the tenant's schema.

The one place that names psycopg's pool. Extensions live in `public`, a tenant's tables in its own schema.
https://www.psycopg.org/psycopg3/docs/advanced/pool.html
"""

from __future__ import annotations

import logging
import re
import select
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection, errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.settings import ConfigurationError

POSTGRES_NEEDED = 15
PGVECTOR_NEEDED = (0, 8)
EXTENSIONS = ("vector", "pg_trgm", "unaccent", "btree_gin")
WAIT_SECONDS = 10.0
APART = 2
"""Connections beside the pool, for short work that commits by itself."""
LOCK = "SELECT pg_advisory_lock(hashtextextended('chartline set-up', 0))"
"""One process at a time makes extensions and tables; the end of the connection lets go."""
_DEFAULTS = {"connect_timeout": "10", "keepalives_idle": "30", "application_name": "chartline"}
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}\Z")
_LOST_RACES = (errors.DeadlockDetected, errors.SerializationFailure)
_UNREACHABLE = (psycopg.OperationalError, PoolTimeout)
_EXTENSION = """
SELECT a.name, a.default_version, a.installed_version, n.nspname
FROM pg_available_extensions a
LEFT JOIN pg_extension e ON e.extname = a.name
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE a.name = ANY(%s)
"""
_log = logging.getLogger(__name__)
_homes: weakref.WeakKeyDictionary[Connection[Any], weakref.ref[Database]] = weakref.WeakKeyDictionary()


class Database:
    """A pool of connections to one tenant; safe to share between threads, not between processes."""

    def __init__(self, dsn: str, schema: str, size: int, statement_timeout: int) -> None:
        self.dsn, self.schema = dsn, schema
        self._pool = self._make_pool(1, size, statement_timeout, autocommit=False)
        self._apart = self._make_pool(0, APART, statement_timeout, autocommit=True)

    @classmethod
    def open(
        cls, dsn: str, schema: str = "chartline", *, size: int = 8, statement_timeout: int = 30_000
    ) -> Database:
        """Connect and check; `statement_timeout` in ms. Raises ConfigurationError where the server cannot be used, saying what to do."""
        check_schema(schema)
        check(dsn)
        return cls(dsn, schema, size, statement_timeout)

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Connection[Any]]:
        """A connection for the length of the block: committed at its end, rolled back when it raises.

        Raises UNAVAILABLE where the server cannot be reached or takes too long; a lost race (deadlock, serialization) is the
        caller's to repeat, see `retrying`. Transactions do not nest: each block has a connection of its own.
        """
        with _unavailable(), self._pool.connection(WAIT_SECONDS) as connection:
            if not read_only:
                yield connection
                return
            connection.read_only = True
            try:
                yield connection
                connection.rollback()
            finally:
                _forget_read_only(connection)

    @contextmanager
    def apart(self) -> Iterator[Connection[Any]]:
        """A connection outside the pool, whose work commits by itself whatever becomes of the caller's transaction."""
        with _unavailable(), self._apart.connection(WAIT_SECONDS) as connection:
            yield connection

    @staticmethod
    @contextmanager
    def beside(connection: Connection[Any]) -> Iterator[Connection[Any]]:
        """As `apart`, for who has only a connection of this Database."""
        home = _homes.get(connection)
        database = home() if home else None
        if database is None:
            raise ValueError("The connection does not belong to an open Database.")
        with database.apart() as other:
            yield other

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        self._apart.close()

    def _make_pool(
        self, least: int, most: int, statement_timeout: int, *, autocommit: bool
    ) -> ConnectionPool[Connection[Any]]:
        return ConnectionPool(
            _conninfo(self.dsn),
            min_size=least,
            max_size=most,
            open=True,
            configure=self._configure,
            check=_check_open,
            kwargs={"autocommit": autocommit, "options": _options(self.dsn, self.schema, statement_timeout)},
        )

    def _configure(self, connection: Connection[Any]) -> None:
        register_vector(connection)
        connection.commit()
        _homes[connection] = weakref.ref(self)


def plan_by_value(connection: Connection[Any]) -> None:
    """For searches in a transaction that has written: writing lets Postgres keep plans for any values (sql/0070_write_plans.sql)."""
    connection.execute("SET LOCAL plan_cache_mode = auto")


def check(dsn: str) -> None:
    """Raises ConfigurationError where the server is too old, or an extension is missing and cannot be made."""
    try:
        with psycopg.connect(_conninfo(dsn), autocommit=True) as connection:
            check_version(connection.info.server_version)
            if _missing(connection):
                connection.execute(LOCK)
                for extension in _missing(connection):
                    _make(connection, extension)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise ConfigurationError(
            f"The database cannot be reached; check CHARTLINE_DSN. ({str(error).strip()})"
        ) from None


def check_schema(schema: str) -> None:
    """Raises ConfigurationError where a tenant cannot have this name."""
    if not _SCHEMA.match(schema):
        raise ConfigurationError(
            "The schema's name has up to 63 lower-case letters, digits and underscores, and does not start with pg_."
        )


def check_version(number: int) -> None:
    """`number` as libpq gives it: 180006. Raises ConfigurationError."""
    if number < POSTGRES_NEEDED * 10_000:
        raise ConfigurationError(
            f"PostgreSQL {POSTGRES_NEEDED} or newer is needed; this is {number // 10_000}."
        )


def check_extension(name: str, default: str | None, installed: str | None, schema: str | None) -> None:
    """`default` is the version that the server could install. Raises ConfigurationError, with the statement that helps."""
    if default is None:
        raise ConfigurationError(
            f"This PostgreSQL has no extension {name}; install it on the server and start again."
        )
    if name == "vector" and _version(installed or default) < PGVECTOR_NEEDED:
        newer = _version(default) >= PGVECTOR_NEEDED
        help = (
            "let an administrator run: ALTER EXTENSION vector UPDATE;"
            if newer
            else "install it on the server and start again."
        )
        raise ConfigurationError(f"pgvector 0.8 or newer is needed, this is {installed or default}; {help}")
    if schema not in (None, "public"):
        raise ConfigurationError(f"Let an administrator run: ALTER EXTENSION {name} SET SCHEMA public;")


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except errors.QueryCanceled:
        raise FhirError(Problem.UNAVAILABLE, "The database took longer than the server allows.") from None
    except _LOST_RACES:
        raise
    except _UNREACHABLE as error:
        _log.warning(
            "The database is not available: %s (SQLSTATE %s)",
            type(error).__name__,
            getattr(error, "sqlstate", None),
        )
        raise FhirError(Problem.UNAVAILABLE, "The database cannot be reached, or is busy.") from None


def _forget_read_only(connection: Connection[Any]) -> None:
    if connection.closed:
        return
    connection.rollback()
    connection.read_only = None


def _check_open(connection: Connection[Any]) -> None:
    """An idle connection has nothing to say. Where there is something to read, the server has closed it, or else a query tells."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


def _conninfo(dsn: str) -> str:
    return make_conninfo(**{**_DEFAULTS, **conninfo_to_dict(dsn)})  # type: ignore[arg-type]


def _options(dsn: str, schema: str, statement_timeout: int) -> str:
    given = str(conninfo_to_dict(dsn).get("options") or "")
    ours = {
        "search_path": f'"{schema}",public',
        "statement_timeout": statement_timeout,
        "idle_in_transaction_session_timeout": 300_000,
        "timezone": "UTC",
    }
    return " ".join([given, *(f"-c {name}={value}" for name, value in ours.items())]).strip()


def extensions(connection: Connection[Any]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Of each extension that Chartline needs: the version that the server has, the one that is in use, and its schema."""
    found = {
        name: tuple(rest) for name, *rest in connection.execute(_EXTENSION, (list(EXTENSIONS),)).fetchall()
    }
    return {name: found.get(name, (None, None, None)) for name in EXTENSIONS}


def _missing(connection: Connection[Any]) -> list[str]:
    """The extensions that have to be made. Raises ConfigurationError where one that is there cannot be used."""
    found = extensions(connection)
    for name, versions in found.items():
        check_extension(name, *versions)
    return [name for name, (_, installed, _) in found.items() if installed is None]


def _make(connection: Connection[Any], extension: str) -> None:
    try:
        connection.execute(
            sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA public").format(sql.Identifier(extension))
        )
    except errors.InsufficientPrivilege:
        raise ConfigurationError(
            f"Let an administrator run: CREATE EXTENSION {extension} WITH SCHEMA public;"
        ) from None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])

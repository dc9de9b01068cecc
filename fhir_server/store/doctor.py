"""What `chartline doctor` looks at: the server, its extensions and tables, room on the disk, and who holds the data folder.

A check says what it found, or raises ConfigurationError with what is wrong and what to do about it. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import Connection

from fhir_server.settings import ConfigurationError, Settings
from fhir_server.store.database import APART, check_extension, check_version, extensions
from fhir_server.store.folder import DataFolder
from fhir_server.store.migrate import pending, read

ROOM_NEEDED = 1024**3
"""Bytes that should be free on the disk of the data folder."""
CLOCK_TOLERANCE = 5.0
"""Seconds; tokens and `_lastUpdated` go wrong where the clocks of server and database differ by more."""
PRIVATE = ("password", "connection.json", "owner.lock", "postgres", "socket")
"""What nobody else may read in the data folder."""
_CONNECTIONS = (
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
)
_NOT_DURABLE = """
SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; where it is not `ok`, the text says what to do."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What the checks look at: settings, a DSN that need not answer, and the folders of the migrations."""

    settings: Settings
    dsn: str
    migrations: Sequence[Traversable]


def examine(settings: Settings, dsn: str, migrations: Sequence[Traversable]) -> list[Finding]:
    """All findings, the folder's first. `dsn` is the setting's, or the embedded server's where one runs."""
    looked = Looked(settings, dsn, migrations)
    findings = [] if settings.dsn else [_found(name, check, looked) for name, check in FOLDER.items()]
    return [*findings, *_examine_database(looked)]


def _examine_database(looked: Looked) -> Iterator[Finding]:
    try:
        with psycopg.connect(looked.dsn, autocommit=True, connect_timeout=10) as connection:
            for name, check in DATABASE.items():
                yield _found(name, check, looked, connection)
    except psycopg.Error as error:
        yield Finding("database", False, f"It cannot be reached; check CHARTLINE_DSN. ({str(error).strip()})")


def _found(name: str, check: Callable[..., str], *given: Any) -> Finding:
    try:
        return Finding(name, True, check(*given))
    except (ConfigurationError, OSError) as error:
        return Finding(name, False, str(error))


def _version(looked: Looked, connection: Connection[Any]) -> str:
    number = connection.info.server_version
    check_version(number)
    return f"PostgreSQL {number // 10_000}.{number % 10_000}"


def _extensions(looked: Looked, connection: Connection[Any]) -> str:
    found = extensions(connection)
    for name, versions in found.items():
        check_extension(name, *versions)
    missing = [name for name, (_, installed, _) in found.items() if installed is None]
    if missing:
        raise ConfigurationError(f"Not made yet: {', '.join(missing)}; run `chartline migrate`.")
    return ", ".join(f"{name} {installed}" for name, (_, installed, _) in found.items())


def _migrations(looked: Looked, connection: Connection[Any]) -> str:
    waiting = pending(looked.dsn, looked.settings.schema, looked.migrations)
    if waiting:
        raise ConfigurationError(f"Not run yet: {', '.join(waiting)}; run `chartline migrate`.")
    return f"all {len(read(looked.migrations))} have run in the schema {looked.settings.schema}"


def _connections(looked: Looked, connection: Connection[Any]) -> str:
    row = connection.execute(_CONNECTIONS).fetchone()
    offered = int(row[0]) if row else 0
    needed = looked.settings.workers * (looked.settings.pool + APART)
    if needed > offered:
        raise ConfigurationError(
            f"{looked.settings.workers} processes need up to {needed} connections and the server offers {offered}: "
            "lower CHARTLINE_POOL or CHARTLINE_WORKERS, or raise max_connections."
        )
    return f"up to {needed} of {offered}"


def _durability(looked: Looked, connection: Connection[Any]) -> str:
    off = [str(name) for (name,) in connection.execute(_NOT_DURABLE).fetchall()]
    if off:
        raise ConfigurationError(
            f"{', '.join(off)} off: a power failure can lose what was answered with 201; switch it on."
        )
    return "what is committed survives a power failure"


def _clock(looked: Looked, connection: Connection[Any]) -> str:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    apart = abs((datetime.now(UTC) - row[0]).total_seconds()) if row else 0.0
    if apart > CLOCK_TOLERANCE:
        raise ConfigurationError(f"The database's clock differs by {apart:.0f} s: let both machines use NTP.")
    return f"{apart:.1f} s from the database's"


def _disk(looked: Looked) -> str:
    free = DataFolder(looked.settings.data_dir).free_bytes()
    text = f"{free / 1024**3:.1f} GiB free for {looked.settings.data_dir}"
    if free < ROOM_NEEDED:
        raise ConfigurationError(f"{text}: make room, a full disk stops the server.")
    return text


def _privacy(looked: Looked) -> str:
    home = DataFolder(looked.settings.data_dir).home
    open_to_others = [
        name for name in PRIVATE if (home / name).exists() and (home / name).stat().st_mode & 0o077
    ]
    if open_to_others:
        raise ConfigurationError(
            f"Others may read {', '.join(open_to_others)} in {home}: run chmod go= on them."
        )
    return "only its owner reads the data folder"


def _lock(looked: Looked) -> str:
    folder = DataFolder(looked.settings.data_dir)
    owner = folder.owner()
    who = f"process {owner.get('pid', 'unknown')} ({owner.get('command', 'unknown')})"
    if not folder.is_locked():
        return (
            f"free; {who} left it without a word, the next start cleans up" if folder.published() else "free"
        )
    if not folder.has_living_owner():
        raise ConfigurationError(
            f"Its owner, {who}, is gone and the server has not ended: wait, or end the postgres of {folder.cluster}."
        )
    return f"held by {who}"


FOLDER: dict[str, Callable[[Looked], str]] = {"disk": _disk, "privacy": _privacy, "lock": _lock}
DATABASE: dict[str, Callable[[Looked, Connection[Any]], str]] = {
    "version": _version,
    "extensions": _extensions,
    "migrations": _migrations,
    "connections": _connections,
    "durability": _durability,
    "clock": _clock,
}

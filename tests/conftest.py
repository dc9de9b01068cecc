"""Postgres for the tests: one server a session, and for each test a database cloned from a migrated template.

The server is the embedded one, without fsync, in a temporary folder that lies in memory where there is room; CHARTLINE_TEST_DSN names
another one (its user has to be allowed to create databases). Cloning copies files, so a test pays 30 ms for its
database, whatever the number of tables.
https://www.postgresql.org/docs/18/sql-createdatabase.html
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fhir_server.store.database import Database, check
from fhir_server.store.embedded import EmbeddedPostgres
from fhir_server.store.migrate import migrate
from tests.skips import pytest_sessionfinish as pytest_sessionfinish

ROOT = Path(__file__).parent.parent
MIGRATIONS: list[Traversable] = [
    folder for folder in (ROOT / "fhir_server/store/sql", ROOT / "ai_layer/migrations") if folder.is_dir()
]
ROOM = 2 * 1024**3
"""Bytes that have to be free in memory for it to be used."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The server, as the DSN of its administrative database."""
    if given := os.environ.get("CHARTLINE_TEST_DSN"):
        yield given
        return
    with _folder() as folder:
        server = EmbeddedPostgres(folder / "data", fsync="off", shared_buffers="64MB")
        try:
            yield make_conninfo(server.start(), dbname="postgres")
        finally:
            server.stop()


@pytest.fixture(scope="session")
def template(postgres: str) -> Iterator[str]:
    """The name of a database with all migrations, which tests are cloned from."""
    with new_database(postgres, "template0") as name:
        check(made := make_conninfo(postgres, dbname=name))
        migrate(made, "chartline", MIGRATIONS)
        yield name


@pytest.fixture
def dsn(postgres: str, template: str) -> Iterator[str]:
    """The DSN of a migrated database of this test's own."""
    with new_database(postgres, template) as name:
        yield make_conninfo(postgres, dbname=name)


@pytest.fixture
def empty_dsn(postgres: str) -> Iterator[str]:
    """The DSN of a database in which nothing has been made yet."""
    with new_database(postgres, "template0") as name:
        yield make_conninfo(postgres, dbname=name)


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """A migrated Database of this test's own."""
    opened = Database.open(dsn, size=4)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, in memory where there is room, that a server may be started in: any user may pass through it."""
    with _folder() as found:
        yield found


@contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    place = memory if has_room else None
    with tempfile.TemporaryDirectory(prefix="chartline-test-", dir=place, ignore_cleanup_errors=True) as path:
        os.chmod(path, 0o711)
        yield Path(path)


@contextmanager
def new_database(admin: str, template: str) -> Iterator[str]:
    """The name of a database cloned from the template; it is dropped at the end."""
    name = f"test_{uuid4().hex}"
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(make)
    try:
        yield name
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

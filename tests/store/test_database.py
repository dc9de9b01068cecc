"""Connections: in the tenant's schema, whole or not at all, and clear when the server is not what it has to be."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.settings import ConfigurationError
from fhir_server.store import database as module
from fhir_server.store.database import Database, check, check_extension, check_schema, check_version
from fhir_server.store.embedded import EmbeddedPostgres


def value(database: Database, statement: str) -> object:
    with database.transaction() as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_transaction_stands_in_the_tenants_schema(database: Database) -> None:
    assert value(database, "SELECT current_schema()") == "chartline"
    assert value(database, "SHOW search_path") == '"chartline",public'
    assert value(database, "SHOW timezone") == "UTC"
    assert value(database, "SHOW statement_timeout") == "30s"


def test_a_schema_may_have_the_name_of_a_key_word(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute('CREATE SCHEMA "order"')
    database = Database.open(dsn, "order", size=1)
    assert value(database, "SELECT current_schema()") == "order"
    database.close()


@pytest.mark.parametrize("schema", ["", "Upper", "a b", 'a"b', "a;b", "pg_mine", "x" * 64, "1a", "ä"])
def test_other_names_of_schemas_are_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        check_schema(schema)


def test_options_of_the_dsn_are_kept(dsn: str) -> None:
    database = Database.open(make_conninfo(dsn, options="-c work_mem=3MB", application_name="mine"), size=1)
    assert value(database, "SHOW work_mem") == "3MB"
    assert value(database, "SHOW application_name") == "mine"
    assert value(database, "SELECT current_schema()") == "chartline"
    database.close()


def test_an_error_takes_the_whole_transaction_back(database: Database) -> None:
    with contextlib.suppress(LookupError), database.transaction() as connection:
        connection.execute("CREATE TABLE half (value int)")
        raise LookupError
    assert value(database, "SELECT to_regclass('half') IS NULL") is True


def test_a_read_only_transaction_writes_nothing_and_the_next_one_may(database: Database) -> None:
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        database.transaction(read_only=True) as connection,
    ):
        connection.execute("CREATE TABLE made (value int)")
    for _ in range(5):
        with database.transaction() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS made (value int)")


def test_work_apart_stays_when_the_transaction_beside_it_fails(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("CREATE TABLE note (text text)")
    with contextlib.suppress(LookupError), database.transaction() as connection:
        with database.apart() as apart:
            apart.execute("INSERT INTO note VALUES ('apart')")
        with Database.beside(connection) as apart:
            apart.execute("INSERT INTO note VALUES ('beside')")
        raise LookupError
    assert value(database, "SELECT count(*) FROM note") == 2


def test_vectors_come_back_as_vectors(database: Database) -> None:
    with database.transaction() as connection:
        row = connection.execute("SELECT '[1,2,3]'::vector").fetchone()
    assert row is not None
    assert row[0].to_list() == [1, 2, 3]


def test_a_statement_that_takes_too_long_is_503(dsn: str) -> None:
    database = Database.open(dsn, size=1, statement_timeout=50)
    with pytest.raises(FhirError, match="longer") as caught, database.transaction() as connection:
        connection.execute("SELECT pg_sleep(5)")
    assert caught.value.problem is Problem.UNAVAILABLE
    assert value(database, "SELECT 1") == 1
    database.close()


def test_a_pool_that_has_nothing_left_is_503(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    database = Database.open(dsn, size=1)
    with database.transaction(), pytest.raises(FhirError) as caught, database.transaction():
        pass
    assert caught.value.problem is Problem.UNAVAILABLE
    database.close()


def test_a_connection_that_is_cut_is_503_and_the_next_one_is_new(database: Database) -> None:
    with pytest.raises(FhirError) as caught, database.transaction() as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert caught.value.problem is Problem.UNAVAILABLE
    assert value(database, "SELECT 1") == 1


def test_connections_that_are_cut_while_idle_are_never_handed_out(database: Database, dsn: str) -> None:
    with database.transaction(), database.transaction(), database.apart():
        pass
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(6):
        assert value(database, "SELECT 1") == 1
    with database.apart() as connection:
        connection.execute("SELECT 1")


def test_a_server_that_comes_back_is_used_again(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", fsync="off")
    database = Database.open(server.start(), "public", size=2)
    try:
        assert value(database, "SELECT 1") == 1
        server.stop()
        server.start()
        assert value(database, "SELECT 1") == 1
    finally:
        database.close()
        server.stop()


def test_a_lost_race_is_left_to_the_caller(database: Database) -> None:
    with pytest.raises(psycopg.errors.SerializationFailure), database.transaction() as connection:
        connection.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")


def test_extensions_are_made_once_by_whoever_comes_first(empty_dsn: str) -> None:
    failed: list[Exception] = []

    def run() -> None:
        try:
            check(empty_dsn)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with psycopg.connect(empty_dsn) as connection:
        rows = connection.execute(
            "SELECT extname FROM pg_extension WHERE extnamespace = 'public'::regnamespace"
        ).fetchall()
    assert {name for (name,) in rows} >= set(module.EXTENSIONS)


@pytest.fixture
def reader(postgres: str) -> Iterator[str]:
    """A user who may create nothing; the name is the password, too."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'".encode())
        yield name
        connection.execute(f"DROP ROLE {name}".encode())


def test_a_user_who_may_create_nothing_can_use_what_is_there(dsn: str, reader: str) -> None:
    check(make_conninfo(dsn, user=reader, password=reader))


def test_a_user_who_may_create_nothing_is_told_what_to_ask_for(empty_dsn: str, reader: str) -> None:
    with pytest.raises(ConfigurationError, match="administrator run: CREATE EXTENSION vector"):
        check(make_conninfo(empty_dsn, user=reader, password=reader))


@pytest.mark.parametrize(
    "wrong", ["host=/nowhere user=a", "postgresql://127.0.0.1:1/x", "this is no dsn", "port=abc"]
)
def test_a_wrong_dsn_says_which_setting_to_check(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="CHARTLINE_DSN"):
        Database.open(wrong)


def test_an_old_postgres_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="PostgreSQL 15 or newer is needed; this is 14"):
        check_version(140_012)
    check_version(150_000)


@pytest.mark.parametrize(
    ("name", "default", "installed", "schema", "says"),
    [
        ("vector", None, None, None, "no extension vector"),
        ("pg_trgm", None, None, None, "no extension pg_trgm"),
        ("vector", "0.7.4", None, None, "this is 0.7.4; install it"),
        ("vector", "0.8.1", "0.5.1", "public", "ALTER EXTENSION vector UPDATE;"),
        ("vector", "0.8.1", "0.8.1", "extensions", "ALTER EXTENSION vector SET SCHEMA public;"),
    ],
)
def test_an_extension_that_does_not_serve_says_how_to_help(
    name: str, default: str | None, installed: str | None, schema: str | None, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        check_extension(name, default, installed, schema)


def test_a_newer_pgvector_is_welcome() -> None:
    check_extension("vector", "0.10.0", None, None)
    check_extension("vector", "1.0", "1.0", "public")

"""Migrations: each file once, unchanged, whole, and for each tenant."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fhir_server.interactions.search import search
from fhir_server.r4.outcome import FhirError
from fhir_server.service import MIGRATIONS
from fhir_server.settings import ConfigurationError
from fhir_server.store.migrate import migrate, pending
from tests.service import context_of, ids, put, reindexed, service_on


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with two migrations and a file that is none."""
    (tmp_path / "0001_thing.sql").write_text(
        "CREATE TABLE thing (id int PRIMARY KEY); INSERT INTO thing VALUES (1);"
    )
    (tmp_path / "0002_name.sql").write_text(
        "-- 100 % of them\nALTER TABLE thing ADD COLUMN name text DEFAULT 'é';"
    )
    (tmp_path / "queries.sql").write_text("this is no migration")
    return tmp_path


def count(dsn: str, statement: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_each_file_runs_once_in_the_order_of_the_numbers(empty_dsn: str, files: Path) -> None:
    assert pending(empty_dsn, "one", [files]) == ["0001_thing.sql", "0002_name.sql"]
    assert migrate(empty_dsn, "one", [files]) == ["0001_thing.sql", "0002_name.sql"]
    assert migrate(empty_dsn, "one", [files]) == []
    assert pending(empty_dsn, "one", [files]) == []
    assert count(empty_dsn, "SELECT count(*) FROM one.thing") == 1


def test_a_new_file_runs_alone(empty_dsn: str, files: Path) -> None:
    migrate(empty_dsn, "one", [files])
    (files / "0003_more.sql").write_text("INSERT INTO thing VALUES (2)")
    assert migrate(empty_dsn, "one", [files]) == ["0003_more.sql"]
    assert count(empty_dsn, "SELECT count(*) FROM one.thing") == 2


def test_several_folders_are_one_order(
    empty_dsn: str, files: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "0101_child.sql").write_text("CREATE TABLE child (thing int REFERENCES thing)")
    assert migrate(empty_dsn, "one", [other, files])[-1] == "0101_child.sql"


def test_a_file_that_changed_after_it_ran_is_refused(empty_dsn: str, files: Path) -> None:
    migrate(empty_dsn, "one", [files])
    (files / "0001_thing.sql").write_text("CREATE TABLE thing (id bigint PRIMARY KEY)")
    (files / "0003_more.sql").write_text("CREATE TABLE more (id int)")
    with pytest.raises(ConfigurationError, match=r"0001_thing\.sql has changed"):
        migrate(empty_dsn, "one", [files])
    assert count(empty_dsn, "SELECT count(*) FROM pg_class WHERE relname = 'more'") == 0


def test_two_files_with_the_same_number_are_refused(empty_dsn: str, files: Path) -> None:
    (files / "0002_other.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="number 0002"):
        migrate(empty_dsn, "one", [files])


def test_a_file_that_fails_changes_nothing_and_is_named(empty_dsn: str, files: Path) -> None:
    (files / "0003_wrong.sql").write_text("CREATE TABLE fine (id int); CREATE TABLE thing (id int)")
    with pytest.raises(
        ConfigurationError, match=r"0003_wrong\.sql failed, and nothing was changed: .*already exists"
    ):
        migrate(empty_dsn, "one", [files])
    assert count(empty_dsn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'one'") == 0


def test_tenants_know_nothing_of_each_other(empty_dsn: str, files: Path) -> None:
    for schema in ("one", "two", "order"):
        assert migrate(empty_dsn, schema, [files]) == ["0001_thing.sql", "0002_name.sql"]
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("DELETE FROM one.thing")
    assert count(empty_dsn, 'SELECT count(*) FROM two.thing NATURAL JOIN "order".thing') == 1


def test_starting_together_runs_each_file_once(empty_dsn: str, files: Path) -> None:
    (files / "0003_slow.sql").write_text("SELECT pg_sleep(0.2); INSERT INTO thing VALUES (2)")
    ran: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: ran.append(migrate(empty_dsn, "one", [files]))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, ran)) == [0, 0, 0, 0, 3]
    assert count(empty_dsn, "SELECT count(*) FROM one.thing") == 2


def test_a_schema_that_is_up_to_date_needs_no_right_to_create(empty_dsn: str, files: Path) -> None:
    migrate(empty_dsn, "one", [files])
    name = f"test_{uuid4().hex}"
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA one TO {name}".encode())
        connection.execute(f"GRANT SELECT ON one.migration TO {name}".encode())
        try:
            assert migrate(make_conninfo(empty_dsn, user=name, password=name), "one", [files]) == []
        finally:
            connection.execute(f"DROP OWNED BY {name}".encode())
            connection.execute(f"DROP ROLE {name}".encode())


def test_a_database_that_held_documents_asks_for_reindex_and_loses_rows_of_names_that_were_too_many(
    dsn: str,
) -> None:
    service = service_on(dsn)
    context = context_of(service)
    put(context, {"DocumentReference/d": {"status": "current"}, "Organization/o": {"name": "Upper Ward"}})
    with context.connect() as connection:
        connection.execute("INSERT INTO string_index SELECT rid, -2180, 'ward', value FROM string_index")
        connection.execute((MIGRATIONS / "0072_search_rows_put_right.sql").read_text().encode())
        waiting = connection.execute("SELECT number FROM pending_parameter").fetchall()
    service.parameters.look()
    assert waiting == [(938,)]
    assert ids(search(context, "Organization", [("name", "ward")]).body) == []
    with pytest.raises(FhirError, match="reindex"):
        search(context, "DocumentReference", [("relationship", "DocumentReference/x$replaces")])
    reindexed(context)
    assert (
        ids(search(context, "DocumentReference", [("relationship", "DocumentReference/x$replaces")]).body)
        == []
    )
    service.database.close()

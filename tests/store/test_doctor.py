"""`chartline doctor`: a sound server has nothing to say against it, and each fault comes with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fhir_server.settings import Settings
from fhir_server.store import doctor
from fhir_server.store.database import check
from fhir_server.store.doctor import Finding, examine
from fhir_server.store.embedded import attach_or_start
from fhir_server.store.migrate import migrate


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with one migration."""
    (tmp_path / "0001_thing.sql").write_text("CREATE TABLE thing (id int)")
    return tmp_path


@pytest.fixture
def data_dir(folder: Path) -> Iterator[Path]:
    """A data folder with a server that runs."""
    with attach_or_start(folder / "data"):
        yield folder / "data"


def found(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_a_database_of_ones_own_has_no_folder_to_look_at(dsn: str) -> None:
    names = [finding.name for finding in examine(Settings(dsn=dsn), dsn, [])]
    assert names == list(doctor.DATABASE)


def test_a_sound_folder_and_server_pass_each_check(data_dir: Path, files: Path) -> None:
    settings = Settings(data_dir=data_dir)
    dsn = json.loads((data_dir / "connection.json").read_text())["dsn"]
    before = examine(settings, dsn, [files])
    assert [finding.name for finding in before if not finding.ok] == ["extensions", "migrations"]
    assert "vector, pg_trgm, unaccent, btree_gin; run `chartline migrate`" in found(before, "extensions").text
    check(dsn)
    migrate(dsn, "chartline", [files])
    after = examine(settings, dsn, [files])
    assert all(finding.ok for finding in after)
    assert found(after, "migrations") == Finding("migrations", True, "all 1 have run in the schema chartline")
    assert found(after, "lock").text.startswith("held by process ")


def test_the_extensions_come_with_their_versions(dsn: str) -> None:
    assert "vector 0.8" in found(examine(Settings(dsn=dsn), dsn, []), "extensions").text


def test_a_file_that_changed_is_found(empty_dsn: str, files: Path) -> None:
    migrate(empty_dsn, "chartline", [files])
    (files / "0001_thing.sql").write_text("CREATE TABLE thing (id bigint)")
    assert "has changed" in found(examine(Settings(dsn=empty_dsn), empty_dsn, [files]), "migrations").text


def test_more_connections_than_the_server_offers_are_found(dsn: str) -> None:
    finding = found(examine(Settings(dsn=dsn, workers=200), dsn, []), "connections")
    assert not finding.ok
    assert "CHARTLINE_WORKERS" in finding.text


def test_a_server_that_may_forget_is_found(dsn: str) -> None:
    forgetful = f"{dsn} options='-c synchronous_commit=off'"
    assert "synchronous_commit off" in found(examine(Settings(dsn=dsn), forgetful, []), "durability").text


def test_clocks_that_differ_are_found(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CLOCK_TOLERANCE", -1)
    assert "NTP" in found(examine(Settings(dsn=dsn), dsn, []), "clock").text


def test_a_database_that_does_not_answer_is_one_finding() -> None:
    findings = examine(Settings(dsn="host=/nowhere"), "host=/nowhere", [])
    assert [(finding.name, finding.ok) for finding in findings] == [("database", False)]


def test_a_full_disk_and_open_files_are_found(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ROOM_NEEDED", 1 << 60)
    (data_dir / "password").chmod(0o644)
    findings = examine(Settings(data_dir=data_dir), "host=/nowhere", [])
    assert "make room" in found(findings, "disk").text
    assert "password" in found(findings, "privacy").text


def test_a_lock_is_free_held_or_left_behind(data_dir: Path, folder: Path) -> None:
    settings = Settings(data_dir=folder / "other")
    with attach_or_start(folder / "other"):
        pass
    assert found(examine(settings, "", []), "lock").text == "free"
    (folder / "other" / "connection.json").write_text('{"dsn": "host=/nowhere"}')
    assert "left it without a word" in found(examine(settings, "", []), "lock").text
    (data_dir / "owner.lock").write_text('{"pid": 4194305, "command": "chartline serve"}')
    finding = found(examine(replace(settings, data_dir=data_dir), "", []), "lock")
    assert not finding.ok
    assert "4194305 (chartline serve), is gone" in finding.text

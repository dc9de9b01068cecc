"""The commands of operations work: reindex, export, backup and restore."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from fhir_server.__main__ import main
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from tests.service import context_of, ids, put, reindexed, service_on

GIVEN = {
    "Patient/a": {"name": [{"family": "Adams"}], "multipleBirthInteger": 2},
    "Observation/o": {
        "subject": {"reference": "Patient/a"},
        "valueQuantity": {"value": 72.5, "code": "kg", "system": "http://unitsofmeasure.org"},
    },
}


def test_reindex_brings_lost_index_rows_and_compartments_back(dsn: str) -> None:
    service = service_on(dsn)
    context = context_of(service)
    put(context, GIVEN)
    with context.connect() as connection:
        connection.execute("DELETE FROM string_index; DELETE FROM quantity_index; DELETE FROM compartment")
    assert ids(search(context, "Patient", [("family", "adams")]).body) == []
    assert reindexed(context) == 2
    assert ids(search(context, "Patient", [("family", "adams")]).body) == ["a"]
    assert ids(search(context, "Observation", [("value-quantity", "72.5")]).body) == ["o"]
    with context.connect() as connection:
        assert connection.execute("SELECT count(*) FROM compartment").fetchone() == (2,)
    service.database.close()


def test_the_command_reindex_prints_how_far_it_is(dsn: str, capfd: pytest.CaptureFixture[str]) -> None:
    service = service_on(dsn)
    put(context_of(service), GIVEN)
    service.database.close()
    assert main(["reindex", "--dsn", dsn]) == 0
    assert "2 of 2 resources" in capfd.readouterr().out


def test_export_writes_a_file_a_type_as_it_is_stored(dsn: str, tmp_path: Path) -> None:
    service = service_on(dsn)
    put(context_of(service), GIVEN)
    service.database.close()
    assert main(["export", "--dsn", dsn, "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Observation.ndjson", "Patient.ndjson"]
    (line,) = (tmp_path / "Observation.ndjson").read_bytes().splitlines()
    assert json.decode_object(line)["id"] == "o"
    assert b"72.5" in line


def test_a_restored_backup_is_what_was_there(
    dsn: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    service = service_on(dsn)
    context = context_of(service)
    put(context, GIVEN)
    file = tmp_path / "backup"
    assert main(["backup", "--dsn", dsn, "--out", str(file)]) == 0
    put(context, {"Patient/b": {"active": True}})
    service.database.close()
    assert main(["restore", "--dsn", dsn, str(file)]) == 0
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT id FROM chartline.resource WHERE version > 0 ORDER BY id"
        ).fetchall()
    assert rows == [("a",), ("o",)]


def test_a_file_that_is_no_backup_changes_nothing(dsn: str, tmp_path: Path) -> None:
    service = service_on(dsn)
    put(context_of(service), GIVEN)
    service.database.close()
    (tmp_path / "no").write_text("no backup")
    assert main(["restore", "--dsn", dsn, str(tmp_path / "no")]) != 0
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM chartline.resource WHERE version > 0").fetchone() == (
            2,
        )


def test_a_deidentified_export_tells_nobody_who_it_is_of_and_counts_what_it_took_out(
    dsn: str, tmp_path: Path
) -> None:
    service = service_on(dsn)
    named = {
        "name": [{"family": "Zyxwood"}],
        "birthDate": "1960-05-05",
        "identifier": [{"value": "MRN-778123"}],
    }
    noted = {"note": [{"text": "Zyxwood felt well"}], "status": "final", "code": {"text": "of Zyxwood"}}
    put(context_of(service), {"Patient/a": named, "Observation/o": GIVEN["Observation/o"] | noted})
    service.database.close()
    assert main(["export", "--dsn", dsn, "--out", str(tmp_path), "--deidentified"]) == 0
    written = "".join(path.read_text() for path in tmp_path.glob("*.ndjson"))
    assert [
        term for term in ("Zyxwood", "1960-05-05", "MRN-778123", '"a"', '"Patient/a"') if term in written
    ] == []
    assert ("72.5" in written, '"1960"' in written) == (True, True)
    manifest = json.decode_object((tmp_path / "manifest.json").read_bytes())
    assert manifest["exported"] == {"Observation": 1, "Patient": 1}
    assert manifest["removed"] == {"date": 1, "free text": 2, "identifier": 1, "name": 1}

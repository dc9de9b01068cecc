"""`chartline load` on Synthea's own files, and on files that are broken.

Every source goes in, in whatever order the files come; a second time nothing is changed. https://github.com/synthetichealth/synthea
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_server.__main__ import DISTRIBUTION, main
from fhir_server.commands.load import load
from fhir_server.ingest import Ingested
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.search.parameters import CONTAINED
from fhir_server.settings import Settings
from tests.real_data import real_data

JOBS = 2
Json = dict[str, Any]


@pytest.mark.parametrize("name", ["synthea", "synthea_hiv"])
def test_every_file_goes_in_and_a_second_time_changes_nothing(dsn: str, name: str) -> None:
    files = sorted(real_data(name).rglob("*.json"))
    first = loaded(dsn, files)
    assert troubles(first) == []
    assert sum(found.resources for found in first) == sum(entries(file) for file in files)
    held = state(dsn)
    again = loaded(dsn, files)
    assert Counter(found.status for found in again) == {"unchanged": len(files)}
    assert state(dsn) == held


@pytest.mark.parametrize("name", ["synthea", "synthea_hiv"])
def test_the_order_of_the_files_does_not_matter(dsn: str, name: str) -> None:
    files = sorted(real_data(name).rglob("*.json"), reverse=True)
    assert troubles(loaded(dsn, files)) == []
    assert rows(dsn, "SELECT count(*) FROM resource WHERE version > 1") == [(0,)]
    assert dangling(dsn) == []


@pytest.mark.parametrize("kind", ["Organization", "Practitioner"])
def test_what_stands_in_several_patients_files_is_kept_once(dsn: str, kind: str) -> None:
    files = sorted(real_data("synthea").rglob("*.json"))[:40]
    loaded(dsn, files)
    named = {entry["fullUrl"] for file in files for entry in resources(file) if is_a(entry, kind)}
    said = sum(is_a(entry, kind) for file in files for entry in resources(file))
    kept = "SELECT count(*) FROM resource WHERE type = %s AND body IS NOT NULL"
    assert rows(dsn, kept, TYPE_CODE[kind]) == [(len(named),)]
    assert said > len(named)


def test_files_that_are_broken_are_lines_in_the_report_and_the_rest_goes_in(dsn: str, tmp_path: Path) -> None:
    good = {"resourceType": "Patient", "id": "good"}
    put(tmp_path, "good.json", good)
    put(tmp_path, "unknown-element.json", {"resourceType": "Patient", "id": "a", "colour": "red"})
    put(tmp_path, "broken-link.json", transaction(observation({"reference": "urn:uuid:1b0e1b9e-nobody"})))
    put(tmp_path, "no-match.json", transaction(observation({"reference": "Patient?identifier=nobody"})))
    put(tmp_path, "nul.json", {"resourceType": "Patient", "id": "b", "name": [{"family": "a\0b"}]})
    put(tmp_path, "unknown-type.json", {"resourceType": "Nothing", "id": "c"})
    put(tmp_path, "no-object.json", [good])
    put(tmp_path, "no-bundle.json", {"resourceType": "Bundle", "type": "transaction", "entry": [5]})
    (tmp_path / "not-json.json").write_text("{ this is not JSON")
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "cut.json").write_text('{"resourceType": "Patient", "name": [')
    report = tmp_path / "report.ndjson"
    assert main(["load", str(tmp_path), "--dsn", dsn, "--jobs", "1", "--report", str(report)]) == 1
    lines = {
        Path(line["file"]).name: line for line in map(json.decode_object, report.read_bytes().splitlines())
    }
    assert lines.pop("good.json")["status"] == "loaded"
    lines.pop("report.ndjson", None)
    assert {name: line["status"] for name, line in lines.items()} == dict.fromkeys(lines, "failed")
    assert len(lines) == 10
    assert all(line["issues"][0]["diagnostics"] for line in lines.values())
    assert lines["unknown-element.json"]["issues"][0]["expression"] == ["Bundle.entry[0].resource.colour"]
    assert lines["broken-link.json"]["issues"][0]["expression"] == [
        "Bundle.entry[0].resource.subject.reference"
    ]
    assert rows(dsn, "SELECT id FROM resource WHERE version > 0") == [("good",)]


def test_a_load_that_went_well_ends_with_0(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "good.json", {"resourceType": "Patient", "id": "good"})
    assert main(["load", str(tmp_path / "good.json"), "--dsn", dsn, "--jobs", "1"]) == 0
    assert "1 resources" in capsys.readouterr().out
    assert main(["load", str(tmp_path / "nowhere.json"), "--dsn", dsn, "--jobs", "1"]) == 1


def test_a_source_that_failed_leaves_no_trace_in_those_after_it(dsn: str, tmp_path: Path) -> None:
    """A place kept for `Patient/p` by a transaction that came to nothing is not there for the next one."""
    missing = {"request": {"method": "GET", "url": "Patient/nobody"}}
    seen = {"reference": "Patient/p"}
    put(tmp_path, "1.json", transaction(observation(seen), missing))
    put(tmp_path, "2.json", transaction(observation(None)))
    put(tmp_path, "3.json", transaction(observation(seen)))
    found = loaded(dsn, [tmp_path / f"{n}.json" for n in (1, 2, 3)], jobs=1)
    assert [one.status for one in found] == ["failed", "loaded", "loaded"]
    assert dangling(dsn) == []


def loaded(dsn: str, files: Sequence[Path], jobs: int = JOBS) -> list[Ingested]:
    return [found for found, _ in load(files, Settings(), dsn, DISTRIBUTION, jobs)]


def troubles(found: Sequence[Ingested]) -> list[tuple[str, list[Json]]]:
    return [(one.file, one.issues[:1]) for one in found if one.status not in ("loaded", "unchanged")]


def resources(file: Path) -> list[Json]:
    return list(json.decode_object(file.read_bytes())["entry"])


def entries(file: Path) -> int:
    return len(resources(file))


def is_a(entry: Json, kind: str) -> bool:
    return bool(entry["resource"]["resourceType"] == kind)


def state(dsn: str) -> list[tuple[Any, ...]]:
    counts = "SELECT count(*), sum(version), max(last_updated) FROM resource WHERE body IS NOT NULL"
    return [*rows(dsn, counts), *rows(dsn, "SELECT count(*) FROM history")]


def dangling(dsn: str) -> list[tuple[Any, ...]]:
    """Reference rows whose target is no row of `resource`; what is contained has none, it stands in its container."""
    query = "SELECT i.rid, i.target FROM reference_index i LEFT JOIN resource r ON r.rid = i.target"
    return rows(dsn, f"{query} WHERE i.target < %s AND r.rid IS NULL", CONTAINED)


def rows(dsn: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, options="-c search_path=chartline,public") as connection:
        return connection.execute(query.encode(), values).fetchall()


def put(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_bytes(json.encode(content))


def transaction(*entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def observation(subject: Json | None, **more: Any) -> Json:
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "c"}, **more}
    if subject:
        resource["subject"] = subject
    return {"request": {"method": "POST", "url": "Observation"}, "resource": resource}

"""The committed fixtures are small, complete, valid R4, and each names its source."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import fixtures
from fhir_server.r4.json import decode
from fhir_server.r4.validate import validate
from fixtures import demo, scheduling
from fixtures.record import TAGS
from fixtures.stories import STORIES
from mappings.reference import references

FOLDER = Path(fixtures.__file__).parent
PATIENTS = sorted((FOLDER / "patients").iterdir())
SOURCES = (FOLDER / "SOURCES.md").read_text()
LARGEST = 5 << 20

CLINIC = scheduling.bundle(datetime(2026, 1, 5, 12, tzinfo=UTC))


def resources(path: Path) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in decode(gzip.decompress(path.read_bytes()))["entry"]]


def test_all_patients_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in PATIENTS) <= LARGEST


@pytest.mark.parametrize("path", PATIENTS, ids=lambda path: path.name)
def test_each_file_names_its_source(path: Path) -> None:
    count = len(resources(path))
    assert any(f"| {path.name} |" in line and f"| {count} |" in line for line in SOURCES.splitlines())


@pytest.mark.parametrize("path", PATIENTS, ids=lambda path: path.name)
def test_each_bundle_is_valid_and_its_references_resolve(path: Path) -> None:
    found = resources(path)
    inside = {f"urn:uuid:{resource['id']}" for resource in found}
    outside = {f"{r['resourceType']}/{r['id']}" for r in (entry["resource"] for entry in CLINIC["entry"])}
    assert {reference for resource in found for reference in references(resource)} <= inside | outside
    assert [issue for resource in found for issue in validate(resource)] == []


def test_the_clinic_is_valid_and_its_references_resolve() -> None:
    found = [entry["resource"] for entry in decode(json.dumps(CLINIC).encode())["entry"]]
    assert {r for resource in found for r in references(resource)} <= {
        f"{r['resourceType']}/{r['id']}" for r in found
    }
    assert [issue for resource in found for issue in validate(resource)] == []


def test_what_several_files_hold_is_the_same_in_each() -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for path in PATIENTS:
        for resource in resources(path):
            seen[resource["id"]].add(json.dumps(resource, default=str))
    assert [id for id, contents in seen.items() if len(contents) > 1] == []


def test_the_demo_names_the_patients_that_are_there() -> None:
    found = {path.name.partition(".")[0]: resources(path)[0] for path in PATIENTS}
    assert {patient.key for patient in demo.DEMO} == {story.key for story in STORIES} == found.keys()
    for patient in demo.DEMO:
        name = found[patient.key]["name"][0]
        assert patient.id == found[patient.key]["id"]
        assert patient.name == f"{name['given'][0]} {name['family']}"


def test_what_is_not_the_generators_is_marked() -> None:
    for path in PATIENTS:
        for resource in resources(path):
            tags = {tag["code"] for tag in resource.get("meta", {}).get("tag", []) if tag["system"] == TAGS}
            if resource["resourceType"] in ("Consent", "MedicationDispense"):
                assert tags == {"added"}

"""FHIR packages: their definitions become resources, profiles that writes are judged by. https://hl7.org/fhir/R4/packages.html"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_server.__main__ import DISTRIBUTION, main
from fhir_server.commands.load import load
from fhir_server.commands.serve import _prepare
from fhir_server.ingest import Ingested
from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.interactions.patch import patch
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.packages import load_packages
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.profiles.levels import Levels
from fhir_server.settings import ConfigurationError, Settings
from fhir_server.store import packages as store
from tests.releases import snomed, zipped
from tests.service import ids, service_on
from tests.store.making import DEFINITIONS, MANIFEST, definitions, package, structure

Json = dict[str, Any]
WARD = "http://example.org/StructureDefinition/ward-patient"
PATIENT: Json = yaml.safe_load((DEFINITIONS.parent / "bases.yaml").read_text())["patient"]
GENDERLESS = {name: value for name, value in PATIENT.items() if name != "gender"}


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """The package of the cases."""
    return package(tmp_path / "ward.tgz", definitions())


def loaded(context: Context, *paths: Path) -> list[Ingested]:
    return list(load_packages(context, paths))


def said(found: Ingested) -> list[str]:
    return [issue["diagnostics"] for issue in found.issues]


def number(context: Context, resource_type: str = "StructureDefinition", url: str = "") -> int:
    return len(ids(search(context, resource_type, [("url", url)] if url else []).body))


def copy(**more: Any) -> Json:
    found: Json = json.decode_object(json.encode({**PATIENT, **more}))
    return found


def test_definitions_become_resources_and_the_same_again_changes_nothing(
    context: Context, ward: Path
) -> None:
    first, again = loaded(context, ward) + loaded(context, ward)
    assert (first.status, first.resources, first.issues) == ("loaded", len(definitions()), [])
    assert again.status == "unchanged"
    assert number(context) == len(definitions())


def test_a_loaded_profile_is_known_at_once(context: Context, ward: Path) -> None:
    assert context.service.library.tree(WARD) is None
    loaded(context, ward)
    assert context.service.library.tree(WARD) is not None


def test_another_process_learns_of_it(dsn: str, context: Context, ward: Path) -> None:
    other = service_on(dsn)
    try:
        assert other.library.tree(WARD) is None
        loaded(context, ward)
        assert other.library.tree(WARD) is not None
    finally:
        other.database.close()


def test_the_capability_statement_names_stored_profiles(context: Context, ward: Path) -> None:
    loaded(context, ward)
    said = json.decode_object(capabilities(context).body or b"")
    profiles = {row["type"]: row.get("supportedProfile", []) for row in said["rest"][0]["resource"]}
    assert WARD in profiles["Patient"]
    assert profiles["Bundle"] == ["http://example.org/StructureDefinition/ward-letter"]
    assert profiles["Condition"] == []


def test_a_profile_that_is_deleted_is_known_no_more(context: Context) -> None:
    found = create(context, "StructureDefinition", structure({"url": WARD, "type": "Patient", **_BASE}))
    assert context.service.library.tree(WARD) is not None
    from fhir_server.interactions.delete import delete

    delete(context, "StructureDefinition", found.id)
    assert context.service.library.tree(WARD) is None


_BASE: Json = {
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "differential": {"element": [{"id": "Patient.gender", "path": "Patient.gender", "min": 1}]},
}


def test_versions_stand_side_by_side_and_the_highest_is_meant(context: Context, tmp_path: Path) -> None:
    strict = structure({"url": WARD, "version": "2.0.0", "type": "Patient", **_BASE})
    mild = {
        **strict,
        "version": "10.0.0",
        "differential": {"element": [{"id": "Patient", "path": "Patient"}]},
    }
    loaded(context, package(tmp_path / "a.tgz", [strict, mild]))
    least = [context.service.library.tree(f"{WARD}{version}").children.keys() for version in ("", "|2.0.0")]  # type: ignore[union-attr]
    assert [list(names) for names in least] == [[], ["gender"]]


def test_a_missing_dependency_is_named_and_the_rest_is_loaded(context: Context, tmp_path: Path) -> None:
    needs = {**MANIFEST, "dependencies": {"org.example.base": "3.0.0", "hl7.fhir.r4.core": "4.0.1"}}
    (found,) = loaded(context, package(tmp_path / "a.tgz", definitions(), needs))
    assert said(found) == [
        "It needs org.example.base 3.0.0, which is not loaded. What rests on it is not checked."
    ]
    assert found.status == "loaded"


@pytest.mark.parametrize(
    ("needed", "issues"),
    [
        ("3.0.0", []),
        ("3.0.x", []),
        ("current", []),
        ("4.0.0", ["It needs org.example.base 4.0.0; loaded is 3.0.0, whose definitions count instead."]),
    ],
)
def test_another_version_of_what_is_needed_is_named(
    context: Context, tmp_path: Path, needed: str, issues: list[str]
) -> None:
    needs = {**MANIFEST, "dependencies": {"org.example.base": needed}}
    base = package(tmp_path / "b.tgz", [], {"name": "org.example.base", "version": "3.0.0"})
    found = loaded(context, base, package(tmp_path / "a.tgz", definitions(), needs))
    assert [said(one) for one in found] == [[], issues]
    assert [one.status for one in found][-1] == "loaded"


def test_packages_are_loaded_behind_those_that_they_need(context: Context, tmp_path: Path) -> None:
    needs = {**MANIFEST, "dependencies": {"org.example.base": "3.0.0"}}
    paths = [
        package(tmp_path / "a.tgz", definitions(), needs),
        package(tmp_path / "b.tgz", [], {"name": "org.example.base", "version": "3.0.0"}),
    ]
    assert [(Path(found.file).name, found.issues) for found in loaded(context, *paths)] == [
        ("b.tgz", []),
        ("a.tgz", []),
    ]


def test_packages_that_need_each_other_are_loaded(context: Context, tmp_path: Path) -> None:
    paths = [
        package(tmp_path / f"{one}.tgz", [], {"name": one, "version": "1", "dependencies": {other: "1"}})
        for one, other in (("a", "b"), ("b", "a"))
    ]
    assert len(loaded(context, *paths)) == 2


def test_what_is_broken_in_a_package_is_named_and_the_rest_is_loaded(
    context: Context, tmp_path: Path
) -> None:
    wrong = {"resourceType": "ValueSet", "id": "v", "url": "http://example.org/v", "status": "sometimes"}
    nameless = {"resourceType": "CodeSystem", "id": "c", "status": "active", "content": "complete"}
    example = {"resourceType": "Patient", "id": "p"}
    path = package(tmp_path / "a.tgz", [*definitions(), wrong, nameless, example], more={"bad.json": b"{"})
    (found,) = loaded(context, path)
    assert [text[:42] for text in said(found)] == [
        "Left out: package/bad.json: no well-formed",
        "Left out: ValueSet http://example.org/v: T",
        "Left out: CodeSystem c has no url.",
    ]
    assert found.resources == len(definitions())
    assert number(context, "Patient") == 0


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ({**MANIFEST, "fhirVersions": ["5.0.0"]}, "The package is for FHIR 5.0.0, not for R4 (4.0)."),
        ({"version": "1"}, "package/package.json has no name."),
    ],
)
def test_what_is_no_package_of_r4_is_refused(
    context: Context, tmp_path: Path, manifest: Json, text: str
) -> None:
    (found,) = loaded(context, package(tmp_path / "a.tgz", definitions(), manifest))
    assert (found.status, said(found)) == ("failed", [text])
    assert number(context) == 0


def test_nothing_of_a_package_that_ends_too_early_is_loaded(context: Context, ward: Path) -> None:
    whole = ward.read_bytes()
    ward.write_bytes(whole[: len(whole) // 2])
    (found,) = loaded(context, ward)
    assert (found.status, number(context)) == ("failed", 0)


def test_nothing_of_a_package_is_loaded_where_its_last_step_fails(
    context: Context, ward: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise FhirError(Problem.UNAVAILABLE, "gone")

    monkeypatch.setattr(store, "remember", fail)
    (found,) = loaded(context, ward)
    assert (found.status, number(context)) == ("failed", 0)


def test_what_the_server_refuses_is_named_and_the_rest_is_loaded(context: Context, tmp_path: Path) -> None:
    shareable = ["http://hl7.org/fhir/StructureDefinition/shareablevalueset"]
    refused = {
        "resourceType": "ValueSet",
        "meta": {"profile": shareable},
        "url": "http://example.org/v",
        "status": "draft",
    }
    context.service.levels = Levels("reject")
    (found,) = loaded(context, package(tmp_path / "a.tgz", [refused, *definitions()]))
    assert [text[:42] for text in said(found)] == ["Left out: ValueSet http://example.org/v: I"]
    assert (found.resources, number(context, "ValueSet")) == (len(definitions()), 0)


def test_value_sets_and_search_parameters_come_with_it(context: Context, tmp_path: Path) -> None:
    others: list[Json] = [
        {"resourceType": "ValueSet", "url": "http://example.org/v", "status": "active"},
        {
            "resourceType": "CodeSystem",
            "url": "http://example.org/c",
            "status": "active",
            "content": "complete",
        },
        parameter("ward", "Patient.extension('http://example.org/StructureDefinition/ward').value"),
        parameter("odd", "Patient.name.count() / 2"),
    ]
    (found,) = loaded(context, package(tmp_path / "a.tgz", others))
    assert [number(context, str(one["resourceType"]), str(one["url"])) for one in others] == [1, 1, 1, 1]
    assert [(issue["severity"], issue["diagnostics"][:43]) for issue in found.issues] == [
        ("information", "SearchParameter http://example.org/s/ward: "),
        ("warning", "SearchParameter http://example.org/s/odd: S"),
    ]


def parameter(code: str, expression: str) -> Json:
    """A search parameter of Patient."""
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/s/{code}",
        "name": code,
        "status": "active",
        "description": code,
        "code": code,
        "base": ["Patient"],
        "type": "string",
        "expression": expression,
    }


def test_a_profile_is_bound_to_a_value_set_of_its_package(context: Context, tmp_path: Path) -> None:
    bound = {
        "id": "Patient.maritalStatus",
        "path": "Patient.maritalStatus",
        "binding": {"strength": "required", "valueSet": "http://example.org/v"},
    }
    profile = structure({"url": WARD, "type": "Patient", **_BASE, "differential": {"element": [bound]}})
    states: Json = {"system": "http://example.org/c", "concept": [{"code": "M"}]}
    values = {
        "resourceType": "ValueSet",
        "url": "http://example.org/v",
        "status": "active",
        "compose": {"include": [states]},
    }
    loaded(context, package(tmp_path / "a.tgz", [profile, values]))
    for code, issues in (("M", []), ("Z", [("warning", "Patient.maritalStatus")])):
        state = {"coding": [{"system": "http://example.org/c", "code": code}]}
        patient = {"resourceType": "Patient", "meta": {"profile": [WARD]}, "maritalStatus": state}
        assert keys(create(context, "Patient", patient).outcome) == issues


def keys(outcome: Json | None) -> list[tuple[str, str]]:
    return [(i["severity"], i["details"]["coding"][0]["code"]) for i in (outcome or {}).get("issue", ())]


def test_a_broken_profile_is_warned_of_and_the_resource_is_written(context: Context, ward: Path) -> None:
    loaded(context, ward)
    assert create(context, "Patient", copy()).outcome is None
    bare = {name: value for name, value in copy().items() if name != "gender"}
    assert keys(create(context, "Patient", dict(bare)).outcome) == [("warning", "Patient.gender")]
    assert keys(update(context, "Patient", "p", bare).outcome) == [("warning", "Patient.gender")]
    change: Any = [{"op": "replace", "path": "/active", "value": False}]
    assert ("warning", "Patient.active") in keys(patch(context, "Patient", "p", "", change).outcome)


@pytest.mark.parametrize("levels", ["reject", f"ignore, {WARD}=reject", "warn, http://example.org/*=reject"])
def test_a_broken_profile_is_refused_where_the_setting_says_so(
    context: Context, ward: Path, levels: str
) -> None:
    loaded(context, ward)
    context.service.levels = Levels.parse(levels)
    with pytest.raises(FhirError) as refused:
        create(context, "Patient", dict(GENDERLESS))
    assert [(i.expression, i.key) for i in refused.value.issues] == [("Patient.gender", "Patient.gender")]
    assert create(context, "Patient", copy()).status == 201


def test_nothing_is_said_where_a_profile_is_ignored(context: Context, ward: Path) -> None:
    loaded(context, ward)
    context.service.levels = Levels.parse(f"reject, {WARD}=ignore")
    assert create(context, "Patient", dict(GENDERLESS)).outcome is None


def test_a_setting_that_nobody_understands_stops_the_server(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="CHARTLINE_PROFILES: expected reject, warn or ignore"):
        service_on(dsn, profiles="refuse")


def test_a_concept_map_that_a_setting_names_and_nobody_has_is_warned_of(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    service_on(dsn, code_maps="http://example.org/ConceptMap/lost").database.close()
    assert (
        "CHARTLINE_CODE_MAPS names http://example.org/ConceptMap/lost, which is not here (yet)."
        in caplog.text
    )


def test_load_takes_packages_first_and_reports_what_breaks_a_profile(dsn: str, ward: Path) -> None:
    """In one folder, whatever the names say: the profile is known when the patient comes."""
    (ward.parent / "a.json").write_bytes(json.encode(GENDERLESS))
    found = [line for line, _ in load([ward.parent], Settings(schema="chartline"), dsn, DISTRIBUTION)]
    assert [(Path(one.file).name, one.status) for one in found] == [
        ("ward.tgz", "loaded"),
        ("a.json", "loaded"),
    ]
    assert [(i["severity"], i["expression"]) for i in found[1].issues] == [
        ("warning", ["Bundle.entry[0].resource.gender"])
    ]


def test_the_command_says_what_a_package_or_a_release_lacks(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    package(folder / "needy.tgz", definitions(), {**MANIFEST, "dependencies": {"hl7.fhir.none": "1.0.0"}})
    zipped(snomed(folder, more=["a broken line"]))
    report = tmp_path / "report"
    assert main(["load", str(folder), "--dsn", dsn, "--jobs", "1", "--report", str(report)]) == 0
    said = capsys.readouterr().err
    assert "needy.tgz: It needs hl7.fhir.none 1.0.0, which is not loaded." in said
    assert "Left out: sct2_Description_Snapshot-en_INT_20260101.txt line 20: 1 columns instead of 9." in said
    lines = [json.decode_object(line) for line in report.read_bytes().splitlines()]
    assert [line["status"] for line in lines] == ["loaded", "unchanged", "loaded"]


def test_a_package_that_cannot_be_loaded_fails_the_command(dsn: str, tmp_path: Path) -> None:
    path = package(tmp_path / "a.tgz", [], {**MANIFEST, "fhirVersions": ["5.0.0"]})
    report = tmp_path / "report"
    assert main(["load", str(path), "--dsn", dsn, "--report", str(report)]) == 1
    assert json.decode_object(report.read_bytes())["status"] == "failed"


def test_the_servers_folder_of_packages_is_loaded_and_what_is_none_is_said(
    dsn: str, ward: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ward.parent / "broken.tgz").write_bytes(b"no archive")
    _prepare(Settings(packages=str(ward.parent)), dsn, DISTRIBUTION)
    said = capsys.readouterr().out
    assert f"{ward}: loaded, {len(definitions())} definitions\n" in said
    assert f"{ward.parent / 'broken.tgz'}: failed, 0 definitions\n  error: " in said


def test_a_folder_of_packages_that_is_not_there_stops_the_server(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CHARTLINE_PACKAGES: there is no such folder"):
        _prepare(Settings(packages=str(tmp_path / "none")), dsn, DISTRIBUTION)

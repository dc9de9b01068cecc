"""Profiles: the cases of fixtures/cases/profiles, and what holds for any definition. https://hl7.org/fhir/R4/profiling.html"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.r4.outcome import Issue
from fhir_server.r4.profiles.build import TYPES
from fhir_server.r4.profiles.conform import conform
from fhir_server.r4.profiles.levels import Levels
from fhir_server.r4.profiles.library import Library, own
from fhir_server.r4.validate import validate
from tests.unit.r4.cases import changed, read

FOLDER = Path(__file__).parents[3] / "fixtures/cases/profiles"
BASES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "bases.yaml").read_text())
CANONICAL = "http://example.org/StructureDefinition/"
CASES = read(FOLDER)


class Shelf:
    """The definitions of the cases."""

    edition = 1

    def __init__(self) -> None:
        files = sorted((FOLDER / "definitions").glob("*.yaml"))
        self.found = {row["url"]: row for file in files for row in yaml.safe_load(file.read_text())}

    def definition(self, url: str, version: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.found.get(url)
        return found if found and version in ("", found.get("version")) else None


LIBRARY = Library(Shelf())


def _canonical(name: str) -> str:
    return name if ":" in name else CANONICAL + name


def _shown(issue: Issue) -> str:
    severity = "" if issue.severity == "error" else f" {issue.severity}"
    return f"{issue.expression} {issue.code} {issue.key}{severity}"


def _asked(case: dict[str, Any]) -> list[str]:
    return [_canonical(case["profile"])] if "profile" in case else []


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    resource = changed(case, BASES)
    found = set(map(_shown, conform(resource, LIBRARY, _asked(case))))
    assert sorted(found) == sorted(case.get("issues", []))


def test_the_table_is_long_enough() -> None:
    assert sum("issues" in case.values[0] for case in CASES) >= 80


@pytest.mark.parametrize("name", BASES)
def test_bases_are_valid_r4(name: str) -> None:
    assert [
        issue for issue in validate(changed({"base": name}, BASES), deep=True) if issue.severity == "error"
    ] == []


@pytest.mark.parametrize("url", sorted(own()))
def test_each_of_r4s_own_profiles_becomes_a_tree(url: str) -> None:
    tree = LIBRARY.tree(url)
    assert tree is not None
    assert tree.name == own()[url]["type"]


class Sets:
    """A terminology that knows the value set of marital states, and of it one code."""

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        known = value_set.startswith("http://hl7.org/fhir/ValueSet/marital-status")
        return (system, code) == ("http://example.org", "M") if known else None


@pytest.mark.parametrize(
    ("code", "issues"),
    [("M", []), ("Z", ["Patient.maritalStatus code-invalid Patient.maritalStatus warning"])],
)
def test_r4s_extensible_bindings_are_asked_of_the_terminology(code: str, issues: list[str]) -> None:
    state = {"coding": [{"system": "http://example.org", "code": code}]}
    found = conform({"resourceType": "Patient", "maritalStatus": state}, Library(), sets=Sets())
    assert list(map(_shown, found)) == issues


@pytest.mark.parametrize("kind", ["id", "string"])
def test_a_guide_may_type_the_id_of_a_resource_as_r4_does_or_as_later_publishers_do(kind: str) -> None:
    typed = {
        "code": "http://hl7.org/fhirpath/System.String",
        "extension": [{"url": f"{TYPES}structuredefinition-fhir-type", "valueUrl": kind}],
    }
    url = f"{CANONICAL}typed-{kind}"
    version = {"id": "Patient.meta.versionId", "path": "Patient.meta.versionId", "type": [{"code": "id"}]}
    elements = [
        {"id": "Patient", "path": "Patient"},
        {"id": "Patient.id", "path": "Patient.id", "type": [typed]},
    ]
    shelf = Shelf()
    shelf.found[url] = {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Patient",
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": f"{TYPES}Patient",
        "snapshot": {"element": [*elements, version]},
    }
    patient = {"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}}
    assert list(map(_shown, conform(patient, Library(shelf), [url]))) == []


LEVELS = Levels.parse("ignore, http://a/p=reject, http://a/*=warn")


@pytest.mark.parametrize(
    ("url", "level"), [("http://a/p|1", "reject"), ("http://a/q", "warn"), ("http://b/p", "ignore")]
)
def test_the_longest_fitting_name_decides_what_a_broken_profile_means(url: str, level: str) -> None:
    assert LEVELS.of(url) == level


def test_broken_profiles_are_warned_of_where_nothing_is_said() -> None:
    assert Levels.parse("").of("http://a") == "warn"


@pytest.mark.parametrize("text", ["refuse", "http://a", "http://a=no"])
def test_other_levels_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected reject, warn or ignore"):
        Levels.parse(text)


def test_a_new_edition_of_the_shelf_is_read() -> None:
    shelf = Shelf()
    library = Library(shelf)
    patient = changed({"base": "patient"}, BASES)
    assert conform(patient, library) == []
    strict = deepcopy(shelf.found[f"{CANONICAL}ward-patient"])
    strict["differential"]["element"].append({"id": "Patient.language", "path": "Patient.language", "min": 1})
    shelf.found[f"{CANONICAL}ward-patient"], shelf.edition = strict, 2
    assert [issue.key for issue in conform(patient, library)] == ["Patient.language"]


def test_ids_of_elements_may_be_missing() -> None:
    """Paths and slice names tell as much."""
    shelf = Shelf()
    for found in shelf.found.values():
        for row in found.get("differential", {}).get("element", ()):
            row.pop("id", None)
    library = Library(shelf)
    for case in (param.values[0] for param in CASES):
        resource, asked = changed(case, BASES), _asked(case)
        assert conform(resource, library, asked) == conform(resource, LIBRARY, asked)


EMERGENCY = {"key": "sn-1", "severity": "error", "expression": "relationship.exists()"}
OF_R4: list[dict[str, Any]] = [
    {
        "id": "Patient",
        "path": "Patient",
        "min": 0,
        "max": "*",
        "constraint": [{"key": "dom-2", "severity": "error"}],
    },
    {"id": "Patient.id", "path": "Patient.id", "min": 0, "max": "1", "type": [{"code": "string"}]},
    {"id": "Patient.name", "path": "Patient.name", "min": 0, "max": "*", "type": [{"code": "HumanName"}]},
    {
        "id": "Patient.contact.name",
        "path": "Patient.contact.name",
        "min": 0,
        "max": "1",
        "type": [{"code": "HumanName"}],
    },
]
OWN: list[dict[str, Any]] = [
    {"id": "Patient.gender", "path": "Patient.gender", "min": 1},
    {"id": "Patient.contact", "path": "Patient.contact", "constraint": [EMERGENCY]},
    {"id": "Patient.deceased[x]", "path": "Patient.deceased[x]", "type": [{"code": "boolean"}]},
]


def test_a_snapshot_says_the_same_as_its_differential() -> None:
    """What a snapshot repeats of R4 is taken out, so both give one tree."""
    head = {"url": f"{CANONICAL}same", "type": "Patient", "baseDefinition": f"{TYPES}Patient"}
    shelf = Shelf()
    library = Library(shelf)
    shelf.found[f"{CANONICAL}same"] = {**head, "differential": {"element": OWN}}
    by_differential = library.tree(f"{CANONICAL}same")
    shelf.found[f"{CANONICAL}same"] = {**head, "snapshot": {"element": OF_R4 + OWN}}
    shelf.edition = 2
    assert by_differential == library.tree(f"{CANONICAL}same") is not None


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "url", "value", "system"]), inner)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(name=st.sampled_from(sorted(BASES)), data=st.data(), value=_ANY)
def test_any_value_anywhere_is_answered(name: str, data: st.DataObject, value: Any) -> None:
    """Whatever stands where: issues with places inside the resource, never an exception."""
    resource = deepcopy(BASES[name])
    member = data.draw(st.sampled_from(sorted(resource)))
    resource[member] = value
    profiles = [
        f"{CANONICAL}{tail}" for tail in ("ward-patient", "ward-round", "ward-letter", "ward-newborn")
    ]
    for issue in conform(resource, LIBRARY, profiles):
        assert issue.expression.startswith(
            (resource["resourceType"] or "R" if member != "resourceType" else "", "Resource")
        )


@settings(deadline=None)
@given(members=st.sets(st.sampled_from(sorted(BASES["patient"].keys() - {"resourceType", "meta"}))))
def test_what_breaks_a_profile_breaks_those_that_constrain_it(members: set[str]) -> None:
    """And the resource of a Bundle's entry is judged as it would be alone."""
    patient = {name: value for name, value in BASES["patient"].items() if name not in members}
    base = _broken(conform(patient, LIBRARY))
    assert base <= _broken(conform(patient, LIBRARY, [f"{CANONICAL}ward-newborn"]))
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    assert _broken(conform(bundle, LIBRARY)) == base


def _broken(issues: list[Issue]) -> set[tuple[str, str]]:
    return {(issue.key, issue.severity) for issue in issues}


@settings(deadline=None)
@given(data=st.data(), value=_ANY)
def test_any_definition_is_a_tree_or_none(data: st.DataObject, value: Any) -> None:
    """A StructureDefinition that somebody got wrong is a profile that is not known, never an exception."""
    shelf = Shelf()
    url = data.draw(st.sampled_from(sorted(shelf.found)))
    found = shelf.found[url] = deepcopy(shelf.found[url])
    rows = found.get("differential", {}).get("element") or [{}]
    row = data.draw(st.sampled_from([found, *rows]))
    name = data.draw(st.sampled_from([*row, "slicing", "min", "max", "type", "path"]))
    row[name] = value
    conform(changed({"base": "patient"}, BASES), Library(shelf), [url])

"""What the compiled tables say of R4, and that the numbers that stored rows hold stay as they are. https://hl7.org/fhir/R4/"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources

import pytest

from fhir_server.r4.definitions import (
    COMPARTMENTS,
    RESOURCE_TYPES,
    TYPE_CODE,
    TYPE_NAME,
    Element,
    SearchParameter,
    choice_stems,
    codes,
    elements,
    invariants,
    is_complex,
    search_parameters,
    value_set,
)
from fhir_server.r4.primitives import PRIMITIVES

PARAMETERS = {(found.base, found.code): found for found in search_parameters()}


def _digest(rows: list[tuple[object, ...]]) -> str:
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:16]


def test_r4_has_146_resource_types() -> None:
    assert len(RESOURCE_TYPES) == 146
    assert list(RESOURCE_TYPES) == sorted(RESOURCE_TYPES)
    assert not {"Resource", "DomainResource", "HumanName"} & set(RESOURCE_TYPES)
    assert all(TYPE_NAME[TYPE_CODE[name]] == name for name in RESOURCE_TYPES)


def test_numbers_never_change() -> None:
    """Stored rows hold them: a table with other numbers makes every database unreadable."""
    assert _digest(list(TYPE_CODE.items())) == "3e9a69132436775f"
    assert _digest([(p.id, p.base, p.code) for p in search_parameters()]) == "cd88f53a40316860"


def test_tables_are_small_and_read_when_asked_for() -> None:
    tables = [file for file in resources.files("fhir_server.r4").joinpath("data").iterdir() if file.is_file()]
    assert sum(len(file.read_bytes()) for file in tables) < 2_000_000
    script = """
from fhir_server.r4 import definitions as d
print([f.cache_info().currsize for f in (d._rows, d._sets, d.search_parameters, d.elements)])
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[0, 0, 0, 0]"


def _paths() -> Iterator[str]:
    """Every path whose members R4 lists."""
    waiting, seen = [*RESOURCE_TYPES, "Extension"], set[str]()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            yield path
            waiting += [e.path for e in elements(path).values() if e.type not in (*PRIMITIVES, "Resource")]


def test_every_element_leads_to_members_or_to_a_primitive() -> None:
    paths = list(_paths())
    assert len(paths) > 650
    assert all(is_complex(path) for path in paths)


ELEMENTS: dict[str, Element] = {
    "Patient.contact": Element("contact", "BackboneElement", 0, 0, "Patient.contact"),
    "Patient.birthDate": Element("birthDate", "date", 0, 1, "date", is_summary=True),
    "Patient.name": Element("name", "HumanName", 0, 0, "HumanName", is_summary=True),
    "Questionnaire.item.item": Element("item", "BackboneElement", 0, 0, "Questionnaire.item"),
    "Observation.component.referenceRange": Element(
        "referenceRange", "BackboneElement", 0, 0, "Observation.referenceRange"
    ),
    "Observation.component.valueQuantity": Element(
        "valueQuantity", "Quantity", 0, 1, "Quantity", choice="value", is_summary=True
    ),
    "Observation.subject": Element(
        "subject",
        "Reference",
        0,
        1,
        "Reference",
        targets=("Patient", "Group", "Device", "Location"),
        is_summary=True,
    ),
    "Observation.status": Element(
        "status",
        "code",
        1,
        1,
        "code",
        binding=("required", "http://hl7.org/fhir/ValueSet/observation-status"),
        is_summary=True,
    ),
    "Condition.clinicalStatus": Element(
        "clinicalStatus",
        "CodeableConcept",
        0,
        1,
        "CodeableConcept",
        binding=("required", "http://hl7.org/fhir/ValueSet/condition-clinical"),
        is_summary=True,
    ),
    "Extension.url": Element("url", "uri", 1, 1, "uri"),
    "Element.id": Element("id", "string", 0, 1, "string"),
    "Bundle.entry.resource": Element("resource", "Resource", 0, 1, "Resource", is_summary=True),
}


@pytest.mark.parametrize(("place", "expected"), ELEMENTS.items(), ids=ELEMENTS.keys())
def test_an_element_is_told_by_its_json_member(place: str, expected: Element) -> None:
    path, _, name = place.rpartition(".")
    found = elements(path)[name]
    assert {invariant.key for invariant in found.invariants} <= {"ele-1", "ref-1", "pat-1"}
    assert (
        Element(**{slot: getattr(found, slot) for slot in Element.__slots__ if slot != "invariants"})
        == expected
    )


def test_a_choice_stands_once_for_each_type() -> None:
    found = [e.name for e in elements("Observation").values() if e.choice == "value"]
    assert found[:3] == ["valueQuantity", "valueCodeableConcept", "valueString"]
    assert len(found) == 11
    assert len([e for e in elements("Extension").values() if e.choice == "value"]) == 50
    assert {"value", "effective", "onset"} <= choice_stems()


def test_elements_stand_in_r4s_order() -> None:
    assert list(elements("Period")) == ["id", "extension", "start", "end"]
    assert [*elements("Patient")][:6] == ["id", "meta", "implicitRules", "language", "text", "contained"]


@pytest.mark.parametrize("path", ["Elephant", "Elephant.trunk"])
def test_an_unknown_type_has_no_elements(path: str) -> None:
    with pytest.raises(KeyError):
        elements(path)


def test_invariants_have_key_severity_and_expression() -> None:
    found = {rule.key: rule for rule in invariants("Observation")}
    assert (found["obs-6"].severity, found["dom-6"].severity) == ("error", "warning")
    assert found["obs-6"].expression == "dataAbsentReason.empty() or value.empty()"
    assert [rule.key for rule in invariants("Observation.referenceRange")] == ["ele-1", "obs-3"]


EXPRESSIONS = {
    "Patient.name": "Patient.name",
    "Condition.patient": "Condition.subject.where(resolve() is Patient)",
    "Observation.date": "Observation.effective",
    "Observation._id": "Resource.id",
    "Binary._lastUpdated": "Resource.meta.lastUpdated",
    "MedicationRequest.code": "(MedicationRequest.medication as CodeableConcept)",
    "AllergyIntolerance.code": "AllergyIntolerance.code | AllergyIntolerance.reaction.substance",
}


@pytest.mark.parametrize(("place", "expression"), EXPRESSIONS.items(), ids=EXPRESSIONS.keys())
def test_a_parameter_has_the_branches_of_its_own_type(place: str, expression: str) -> None:
    base, _, code = place.partition(".")
    assert PARAMETERS[base, code].expression == expression


def test_no_expression_speaks_of_another_type() -> None:
    others = {name: [other for other in RESOURCE_TYPES if other != name] for name in RESOURCE_TYPES}
    for found in search_parameters():
        heads = [part.strip(" (") for part in found.expression.split(" | ")]
        assert not [head for head in heads if head.partition(".")[0] in others[found.base]], found


def test_parameters_of_every_resource_are_those_of_each_type() -> None:
    for code in ("_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"):
        assert {base for base, found in PARAMETERS if found == code} == set(RESOURCE_TYPES)
    assert ("Patient", "_text") in PARAMETERS
    assert ("Bundle", "_text") not in PARAMETERS


def test_a_composite_names_its_components() -> None:
    found = PARAMETERS["Observation", "component-code-value-quantity"]
    assert [part for _, part in found.components] == ["code", "value.as(Quantity)"]
    assert all(
        definition.startswith("http://hl7.org/fhir/SearchParameter/") for definition, _ in found.components
    )


def test_a_reference_parameter_names_its_targets() -> None:
    assert PARAMETERS["Observation", "subject"].targets == ("Group", "Device", "Patient", "Location")


def _is_known(kind: str, code: str) -> bool:
    return code == "{def}" or (kind, code) in PARAMETERS


def test_compartments_are_made_of_search_parameters() -> None:
    assert set(COMPARTMENTS) == {"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"}
    assert COMPARTMENTS["Patient"]["Observation"] == ["subject", "performer"]
    assert COMPARTMENTS["Patient"]["Patient"] == ["link"]
    assert COMPARTMENTS["Practitioner"]["Practitioner"] == ["{def}"]
    unknown = [
        (name, kind, code)
        for name, types in COMPARTMENTS.items()
        for kind, found in types.items()
        for code in found
        if not _is_known(kind, code)
    ]
    assert unknown == []


def test_value_sets_of_required_bindings_are_listed() -> None:
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert codes(gender) == frozenset(["male", "female", "other", "unknown"])
    assert value_set(gender) == {"http://hl7.org/fhir/administrative-gender": codes(gender)}
    assert len(codes("http://hl7.org/fhir/ValueSet/resource-types") or ()) == 148
    assert {"Patient", "HumanName"} <= (codes("http://hl7.org/fhir/ValueSet/all-types") or set())


NOT_LISTED = {
    "http://hl7.org/fhir/ValueSet/currencies",
    "http://hl7.org/fhir/ValueSet/mimetypes",
    "http://hl7.org/fhir/ValueSet/ucum-units",
    "http://loinc.org/vs/LL379-9",
}


def _required() -> set[str]:
    bindings = [element.binding for path in _paths() for element in elements(path).values()]
    return {url for found in bindings if found for strength, url in [found] if strength == "required"}


def test_only_code_systems_of_others_are_not_listed() -> None:
    assert {url for url in _required() if codes(url) is None} == NOT_LISTED
    assert codes("http://example.org/ValueSet/unheard-of") is None


def test_a_row_is_a_search_parameter() -> None:
    assert PARAMETERS["Patient", "birthdate"] == SearchParameter(
        PARAMETERS["Patient", "birthdate"].id,
        "Patient",
        "birthdate",
        "date",
        "Patient.birthDate",
        (),
        (),
        "http://hl7.org/fhir/SearchParameter/individual-birthdate",
    )

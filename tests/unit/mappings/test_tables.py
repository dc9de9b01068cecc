"""The ConceptMaps that we ship are valid R4, name their sources, and agree with what HL7 publishes.

https://hl7.org/fhir/R4/conceptmap.html and https://build.fhir.org/ig/HL7/v2-to-fhir/
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.r4.definitions import value_set
from fhir_server.r4.validate import validate
from mappings.tables import tables
from terminology.codes.shipped import code_system
from terminology.coding import ICD_10_CM, LOINC, SNOMED, Coding
from terminology.concept_map import NO_MATCH, parse
from terminology.lay_data import entry_for
from tests.real_data import real_data

every_table = pytest.mark.parametrize("table", tables(), ids=lambda table: str(table["id"]))

HL7 = {
    "v2-0001-administrative-gender": "AdministrativeSex",
    "v2-0002-marital-status": "MaritalStatus",
    "v2-0004-encounter-class": "PatientClass[EncounterClass]",
    "v2-0038-request-status": "OrderStatus",
    "v2-0052-diagnosis-role": "DiagnosisType",
    "v2-0063-relationship": "Relationship",
    "v2-0078-observation-interpretation": "InterpretationCodes",
    "v2-0085-observation-status": "ObservationResultStatusCodesInterpretation",
    "v2-0123-diagnostic-report-status": "ResultStatus[Non-Queries]",
    "v2-0127-allergy-category": "AllergenType[AllergyIntoleranceCategory]",
    "v2-0127-allergy-type": "AllergyType",
    "v2-0128-allergy-criticality": "AllergySeverity[AllergyIntolerance.criticality]",
    "v2-0128-reaction-severity": "AllergySeverity[AllergyIntolerance.reaction.severity]",
    "v2-0190-address-type": "AddressType[Type]",
    "v2-0190-address-use": "AddressType[Use]",
    "v2-0200-name-use": "NameType",
    "v2-0201-contact-point-use": "TelecommunicationUseCode",
    "v2-0202-contact-point": "TelecommunicationEquipmentType",
    "v2-0217-encounter-priority": "EncounterPriority",
    "v2-0278-appointment-status": "FillerStatusCodes[Appointment]",
    "v2-0322-immunization-status": "CompletionStatus",
}
"""Our table -> the name of HL7's."""
OURS = {
    ("v2-0002-marital-status", "C"): "R4's v3-MaritalStatus has no common-law marriage",
    ("v2-0002-marital-status", "O"): "the value set of Patient.maritalStatus has no OTH",
    ("v2-0002-marital-status", "T"): "the value set of Patient.maritalStatus has no NAVU",
    ("v2-0038-request-status", "ER"): "an order that was not found was not entered in error",
    ("v2-0063-relationship", "DOM"): "a life partner is a domestic partner, more than a significant other",
    (
        "v2-0127-allergy-category",
        "AA",
    ): "biologic is a preparation, hair and dander are met in the environment",
    ("v2-0202-contact-point", "SAT"): "a satellite phone is a phone",
}
"""Where we say something else than HL7's table, and why."""
YOUNGER = {
    "http://terminology.hl7.org/CodeSystem/v2-0078": {"CAR", "E", "EX", "EXP", "NCL", "UNE"},
}
"""Codes that v2 has added to a table after the edition that R4 has."""


def rows(table: dict[str, Any]) -> Iterator[tuple[Coding, Coding, str]]:
    for group in parse(table).groups:
        for found in group.forwards.values():
            yield from ((row.source, row.target, row.equivalence) for row in found)


def published(name: str) -> Iterator[tuple[str, str, str]]:
    """Code, target code and target system of HL7's table, where it has a target in a code system of FHIR's or v3's."""
    path = real_data("v2_to_fhir_mappings") / "codesystems" / f"HL7 Concept Map_ {name} - Sheet1.csv"
    for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()[2:]):
        system = next((cell for cell in row[7:] if cell.startswith("http")), "")
        if row[0].strip() and row[6].strip() and "/v2-" not in system:
            yield row[0].strip(), row[6].strip(), system


@every_table
def test_a_table_is_valid_r4_and_names_its_source(table: dict[str, Any]) -> None:
    assert [issue.diagnostics for issue in validate(table, deep=True) if issue.severity == "error"] == []
    assert table["url"].endswith(f"/ConceptMap/{table['id']}")
    assert re.search(r"https://\S+", table["description"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", table["date"])


@every_table
def test_a_target_lies_in_the_value_set_that_the_table_is_made_for(table: dict[str, Any]) -> None:
    listed = value_set(str(table.get("targetCanonical")))
    if listed is None:
        return
    outside = [
        t for _, t, how in rows(table) if how not in NO_MATCH and t.code not in listed.get(t.system, ())
    ]
    assert outside == []


@every_table
def test_a_code_is_one_of_its_code_system(table: dict[str, Any]) -> None:
    for group in table["group"]:
        for system, codes in (
            (group["source"], {e["code"] for e in group["element"]}),
            (group["target"], {t["code"] for e in group["element"] for t in e["target"] if "code" in t}),
        ):
            known = code_system(system)
            assert known is None or codes - known.find(codes).keys() == YOUNGER.get(system, set())


def test_icd_10_cm_is_told_in_its_own_words_and_to_its_last_digit() -> None:
    system = code_system(ICD_10_CM)
    assert system is not None
    targets = [target for table in tables() for _, target, _ in rows(table) if target.system == ICD_10_CM]
    found = system.find(target.code for target in targets)
    assert len(targets) >= 130
    assert [t for t in targets if found[t.code].display != t.display or system.children(t.code)] == []


@every_table
def test_an_inexact_or_narrower_target_says_why(table: dict[str, Any]) -> None:
    targets = [t for g in table["group"] for e in g["element"] for t in e["target"]]
    assert [t for t in targets if t["equivalence"] in ("inexact", "narrower") and not t.get("comment")] == []


@pytest.mark.parametrize("system", [LOINC, SNOMED])
def test_a_loinc_or_snomed_code_is_one_that_the_plain_words_know_too(system: str) -> None:
    codes = {c for table in tables() for s, t, _ in rows(table) for c in (s, t) if c.system == system}
    unknown = {coding.code for coding in codes if entry_for(coding) is None}
    assert len(codes) >= 48
    assert unknown <= {"266257000", "9014002"}  # TIA and psoriasis have no plain words yet


def test_every_local_laboratory_code_is_a_laboratory_test() -> None:
    table = next(t for t in tables() if t["id"] == "local-lab-to-loinc")
    entries = [entry_for(target) for _, target, _ in rows(table)]
    assert [entry for entry in entries if entry is None or entry.lab is None] == []


@pytest.mark.parametrize("name", sorted(HL7))
def test_a_v2_table_says_what_hl7_says_but_where_a_reason_is_given(name: str) -> None:
    table = next(t for t in tables() if t["id"] == name)
    ours: dict[str, set[tuple[str, str]]] = {}
    for source, target, _ in rows(table):
        ours.setdefault(source.code, set()).add((target.code, target.system))
    found = {
        (name, code): (target, system)
        for code, target, system in published(HL7[name])
        if (target, system) not in ours.get(code, set())
    }
    assert {key: value for key, value in found.items() if key not in OURS} == {}
    assert {key for key in OURS if key[0] == name} <= found.keys()

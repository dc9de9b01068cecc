"""The tables of types name only what R4 has, and leave no type of a record open to all."""

from __future__ import annotations

import pytest

from fhir_server.access import policy
from fhir_server.access.actor import Role
from fhir_server.access.purpose import Purpose

TABLES = ("DIRECTORY", "SCHEDULING", "ADMINISTRATIVE", "KNOWLEDGE", "SECURITY", "SHARED", "NEVER", "SOLE")
OF_A_RECORD = "Observation Condition Encounter Task Consent Appointment Person RelatedPerson Binary List Group Device AuditEvent"


@pytest.mark.parametrize("table", TABLES)
def test_a_table_names_only_types_of_r4(table: str) -> None:
    assert getattr(policy, table) <= policy.EVERY


def test_what_all_patients_share_is_apart_from_what_is_anybodys() -> None:
    assert not policy.SHARED & (policy.NEVER | policy.SOLE | policy.OWN)
    assert not policy.SHARED & set(OF_A_RECORD.split())


def test_a_patient_writes_nothing_by_rest() -> None:
    assert policy.RULES[Role.PATIENT].writes == frozenset()


def test_each_operation_names_a_letter_of_a_scope() -> None:
    assert {letter for _, letter in policy.OPERATIONS.values()} <= set("cruds") | {""}


def test_only_a_clinician_signs_off() -> None:
    assert policy.OPERATIONS["$sign-off"][0] == {Role.CLINICIAN}


def test_research_and_payment_are_no_purpose_of_treatment_roles() -> None:
    assert Purpose.HRESCH not in policy.RULES[Role.CLINICIAN].purposes


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.STAFF, Role.PATIENT])
def test_whom_a_consent_binds_does_not_write_one(role: Role) -> None:
    """Who could write a Consent could permit to himself what is withheld from him, and take back what the patient denied."""
    assert "Consent" not in policy.RULES[role].writes

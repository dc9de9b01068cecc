"""What decide() says to each role, purpose and scope."""

from __future__ import annotations

import dataclasses

import pytest

from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import Access, decide
from fhir_server.access.policy import LETTER, OPERATIONS, RULES
from fhir_server.access.purpose import DISPLAY, Purpose, usual_purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.sql import Fragment

SYSTEM = decide(Actor.system(), Purpose.HSYSADMIN)
CLINICIAN = decide(Actor.clinician("Practitioner/7"), Purpose.TREAT)
STAFF = decide(Actor(Role.STAFF, "desk", scopes=parse_scopes("user/*.cruds")), Purpose.PATADMIN)
PATIENT = decide(Actor.of_patient("a"), Purpose.PATRQT)
ALL = {"system": SYSTEM, "clinician": CLINICIAN, "staff": STAFF, "patient": PATIENT}

MATRIX: list[tuple[str, str, str]] = [
    ("read", "Observation", "system clinician patient"),
    ("search", "Observation", "system clinician patient"),
    ("vread", "Condition", "system clinician patient"),
    ("history", "Condition", "system clinician patient"),
    ("create", "Observation", "system clinician"),
    ("update", "MedicationRequest", "system clinician"),
    ("patch", "Condition", "system clinician"),
    ("delete", "AllergyIntolerance", "system clinician"),
    ("read", "Appointment", "system clinician staff patient"),
    ("create", "Appointment", "system clinician staff"),
    ("read", "Patient", "system clinician staff patient"),
    ("update", "Patient", "system clinician staff"),
    ("read", "Practitioner", "system clinician staff patient"),
    ("update", "Practitioner", "system"),
    ("read", "Binary", "system clinician"),
    ("read", "Device", "system clinician"),
    ("search", "Group", "system clinician"),
    ("search", "List", "system clinician"),
    ("read", "Bundle", "system clinician"),
    ("read", "AuditEvent", "system patient"),
    ("create", "AuditEvent", "system"),
    ("read", "Provenance", "system clinician patient"),
    ("create", "Provenance", "system"),
    ("read", "Subscription", "system"),
    ("read", "Endpoint", "system"),
    ("read", "ValueSet", "system clinician patient"),
    ("create", "ValueSet", "system"),
    ("$ask", "Patient", "system clinician patient"),
    ("$draft-refill", "MedicationRequest", "system clinician patient"),
    ("$sign-off", "Task", "clinician"),
    ("$ingest", "Bundle", "system"),
    ("$validate", "Observation", "system clinician staff patient"),
    ("$everything", "Patient", "system clinician staff patient"),
    ("$unheard-of", "Patient", "system"),
    ("transaction", "", "system clinician staff patient"),
    ("capabilities", "", "system clinician staff patient"),
    ("dance", "Patient", ""),
    ("read", "Nonsense", ""),
]


@pytest.mark.parametrize(("interaction", "kind", "roles"), MATRIX)
def test_each_role_does_what_the_tables_say(interaction: str, kind: str, roles: str) -> None:
    assert [name for name, access in ALL.items() if access.permits(interaction, kind)] == roles.split()


def test_require_says_what_was_refused_and_why() -> None:
    with pytest.raises(FhirError, match=r"create of Observation.*role patient") as caught:
        PATIENT.require("create", "Observation")
    assert caught.value.problem is Problem.FORBIDDEN


def test_the_system_sees_every_row() -> None:
    assert SYSTEM.on("r").text == "TRUE"


def test_a_patient_sees_the_own_compartment_only() -> None:
    found = PATIENT.on("r")
    assert "r.patients @> ARRAY[(SELECT rid FROM resource WHERE type = %s AND id = %s)]" in found.text
    assert found.text.count("%s") == len(found.values)
    assert found.reason.startswith(
        "role patient: compartment of Patient/a; purpose PATRQT; scope patient/*.rs"
    )


def test_history_rows_take_their_type_from_the_rid() -> None:
    assert "h.type" not in PATIENT.on_history("h").text
    assert "(h.rid >> 40) IN (" in PATIENT.on_history("h").text


NOTHING: dict[str, Access] = {
    "a patient without a patient in context": decide(
        Actor(Role.PATIENT, "x", scopes=parse_scopes("patient/*.rs user/*.rs")), Purpose.PATRQT
    ),
    "a patient who asks for treatment": decide(Actor.of_patient("a"), Purpose.TREAT),
    "a clinician who does research": decide(Actor.clinician("Practitioner/7"), Purpose.HRESCH),
    "an actor without scopes": decide(Actor(Role.CLINICIAN, "x"), Purpose.TREAT),
    "a clinician with scopes of a system": decide(
        Actor(Role.CLINICIAN, "x", scopes=parse_scopes("system/*.cruds")), Purpose.TREAT
    ),
    "a patient's launch without a patient": decide(
        Actor(Role.CLINICIAN, "x", scopes=parse_scopes("patient/*.cruds")), Purpose.TREAT
    ),
}


@pytest.mark.parametrize("who", list(NOTHING))
def test_where_no_rule_speaks_there_is_nothing(who: str) -> None:
    access = NOTHING[who]
    assert access.on("r").text == "FALSE"
    assert access.on("r").reason
    assert not [x for x in LETTER if any(access.permits(x, kind) for kind in ("", *TYPE_CODE))]
    assert not [x for x in OPERATIONS if access.permits(x, "Patient")]


def _scoped(scopes: str, role: Role = Role.CLINICIAN, patient: str | None = None) -> Access:
    return decide(Actor(role, "x", patient=patient, scopes=parse_scopes(scopes)), usual_purpose(role))


def test_a_scope_narrows_to_its_type_and_letters() -> None:
    access = _scoped("user/Observation.rs")
    assert access.permits("read", "Observation")
    assert not access.permits("read", "Condition")
    assert not access.permits("create", "Observation")
    assert [TYPE_CODE["Observation"]] in access.on("r").values
    assert access.on("r", "delete").text == "FALSE"


def test_a_scope_without_search_does_not_search() -> None:
    assert not _scoped("user/Observation.r").permits("search", "Observation")
    assert not _scoped("user/Observation.s").permits("read", "Observation")


def test_a_clinicians_patient_scope_stays_in_that_compartment_and_writes_nothing() -> None:
    access = _scoped("patient/*.cruds", patient="a")
    assert "r.patients @> ARRAY[" in access.on("r").text
    assert not access.permits("create", "Observation")


def test_a_scope_of_an_unknown_type_finds_nothing() -> None:
    assert [] in _scoped("user/Nonsense.rs").on("r").values


def _category(kind: str, query: str, alias: str) -> Fragment:
    return Fragment(
        f"EXISTS (SELECT FROM token_index i WHERE i.rid = {alias}.rid AND i.code = %s)",
        (query.partition("=")[2],),
    )


def _refuses(kind: str, query: str, alias: str) -> Fragment:
    raise FhirError(Problem.UNKNOWN_PARAMETER, query)


def test_a_restricted_scope_carries_its_condition() -> None:
    actor = Actor(Role.CLINICIAN, "x", scopes=parse_scopes("user/Observation.rs?category=laboratory"))
    found = decide(actor, Purpose.TREAT, _category).on("r")
    assert "token_index" in found.text
    assert "laboratory" in found.values


def test_a_restricted_scope_grants_no_superseded_version() -> None:
    actor = Actor(Role.CLINICIAN, "x", scopes=parse_scopes("user/Observation.rs?category=laboratory"))
    assert decide(actor, Purpose.TREAT, _category).on_history("h").text == "FALSE"


@pytest.mark.parametrize("compiler", [None, _refuses])
def test_a_restriction_that_cannot_be_compiled_denies(compiler: object) -> None:
    actor = Actor(Role.CLINICIAN, "x", scopes=parse_scopes("user/Observation.rs?category=laboratory"))
    compile_query = None if compiler is None else _refuses
    assert "FALSE" in decide(actor, Purpose.TREAT, compile_query).on("r").text


def test_a_restriction_on_every_type_denies() -> None:
    actor = Actor(Role.CLINICIAN, "x", scopes=parse_scopes("user/*.rs?category=laboratory"))
    assert "FALSE" in decide(actor, Purpose.TREAT, _category).on("r").text


def test_nobody_else_makes_an_access() -> None:
    with pytest.raises(TypeError, match="decide"):
        Access(Actor.system(), Purpose.TREAT, (), (), None, "opt-in", object())
    with pytest.raises(ValueError, match="maker"):
        dataclasses.replace(PATIENT, purpose=Purpose.TREAT)  # type: ignore[call-arg]


def test_an_alias_is_a_name() -> None:
    with pytest.raises(ValueError, match="alias"):
        PATIENT.on("r; DROP TABLE resource")


def test_every_role_and_purpose_has_its_row() -> None:
    assert set(RULES) == set(Role)
    assert set(DISPLAY) == set(Purpose)
    assert all(usual_purpose(role) in RULES[role].purposes for role in Role)

"""Scopes, v1 and v2. https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.access.scopes import Scope, parse_scope, parse_scopes, written

READ: list[tuple[str, Scope]] = [
    ("patient/*.read", Scope("patient", "*", "rs")),
    ("user/Observation.write", Scope("user", "Observation", "cud")),
    ("system/*.*", Scope("system", "*", "cruds")),
    ("patient/Observation.rs", Scope("patient", "Observation", "rs")),
    ("user/*.cruds", Scope("user", "*", "cruds")),
    (
        "patient/Observation.rs?category=laboratory",
        Scope("patient", "Observation", "rs", "category=laboratory"),
    ),
]


@pytest.mark.parametrize(("text", "scope"), READ)
def test_a_scope_is_read_as_smart_writes_it(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        "openid", "launch/patient", "offline_access", "patient/*", "patient/*.", "patient/*.sr", "patient/*.rr",
        "patient/observation.read", "admin/*.read", "patient/*.read?category=x", "patient/*.rs?", "patient/Observation.rs#x",
        "Patient/*.read", "patient//.read", "xpatient/*.read", "patient/*.readx", "", "patient/*.rs?a=b c", "user/Obs-1.rs",
    ],
)  # fmt: skip
def test_what_is_not_a_resource_scope_grants_nothing(text: str) -> None:
    assert parse_scope(text) is None


def test_a_list_keeps_each_resource_scope_once() -> None:
    found = parse_scopes("openid  patient/*.read patient/*.rs launch user/Task.u")
    assert written(found) == "patient/*.rs user/Task.u"


@pytest.mark.parametrize(
    "text", ["patient/*.cruds", "patient/Observation.write", "user/Observation.cud?category=laboratory"]
)
@pytest.mark.parametrize("letter", "cud")
def test_a_narrowed_scope_never_writes(text: str, letter: str) -> None:
    assert not any(scope.grants(letter, "Observation") for scope in parse_scopes(text))


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert all(isinstance(scope, Scope) for scope in parse_scopes(text))


@given(
    st.sampled_from(["patient", "user", "system"]),
    st.sampled_from(["*", "Observation", "Condition"]),
    st.lists(st.sampled_from("cruds"), min_size=1, unique=True),
)
def test_a_scope_reads_back_what_it_writes(context: str, kind: str, letters: list[str]) -> None:
    scope = Scope(context, kind, "".join(x for x in "cruds" if x in letters))
    assert parse_scope(str(scope)) == scope

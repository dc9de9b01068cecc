"""Validation: the cases of fixtures/cases/validation, and what holds for any resource. https://hl7.org/fhir/R4/validation.html"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.r4 import json
from fhir_server.r4.faults import MOST_ISSUES
from fhir_server.r4.outcome import Issue
from fhir_server.r4.validate import validate
from tests.unit.r4.cases import changed, read

FOLDER = Path(__file__).parents[3] / "fixtures/cases/validation"
BASES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "bases.yaml").read_text())
CASES = read(FOLDER)


def _shown(issue: Issue) -> str:
    warning = " warning" if issue.severity == "warning" else ""
    key = f" {issue.key}" if issue.key else " -" if warning else ""
    return f"{issue.expression} {issue.code}{key}{warning}"


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    assert sorted(map(_shown, validate(changed(case, BASES)))) == sorted(case.get("issues", []))


def test_the_table_is_long_enough() -> None:
    assert sum("issues" in case.values[0] for case in CASES) >= 120


@pytest.mark.parametrize("name", BASES)
def test_bases_are_valid_to_the_bottom(name: str) -> None:
    assert validate(json.decode(json.encode(BASES[name])), deep=True) == []


SECRETS: list[Any] = [
    "Zorro",
    "Zorro is here",
    987654321,
    Decimal("9876.54321"),
    ["Zorro"],
    {"id": "Zorro"},
    "#Zorro",
    "Zorro/1",
]


@pytest.mark.parametrize("name", BASES)
def test_says_no_word_of_the_record(name: str) -> None:
    for secret in SECRETS:
        resource = deepcopy(BASES[name])
        for holder, place in list(_places(resource)):
            before, holder[place] = holder[place], secret
            assert [issue for issue in validate(resource, deep=True) if _tells(issue)] == []
            holder[place] = before


def _tells(issue: Issue) -> bool:
    return any(word in f"{issue.diagnostics} {issue.expression}" for word in ("Zorro", "98765", "9876.5"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(Decimal("1.5")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "reference", "value", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(base=st.sampled_from(sorted(BASES)), data=st.data(), value=_JSON)
def test_any_value_anywhere_is_answered(base: str, data: st.DataObject, value: Any) -> None:
    """Whatever stands in whatever place: issues, never an exception."""
    resource = deepcopy(BASES[base])
    holder, name = data.draw(st.sampled_from(list(_places(resource))))
    holder[name] = value
    for issue in validate(resource, deep=True):
        assert (
            issue.expression.startswith(("Resource", resource["resourceType"] or "Resource"))
            or name == "resourceType"
        )


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, name
        if isinstance(item, (dict, list)):
            yield from _places(item)


def test_a_deep_resource_is_refused_without_an_exception() -> None:
    extension: dict[str, Any] = {"url": "a", "valueCode": "x"}
    for _ in range(5000):
        extension = {"url": "a", "extension": [extension]}
    assert [i.code for i in validate({"resourceType": "Patient", "extension": [extension]})] == ["structure"]


def test_issues_are_bounded() -> None:
    assert len(validate({"resourceType": "Patient", "name": [{"x": 1}] * 1000})) == MOST_ISSUES


def test_a_float_is_a_decimal() -> None:
    assert validate({**BASES["observation"], "valueQuantity": {"value": 1.5}}) == []


@pytest.mark.parametrize("value", [None, [], "Patient", 1, {}])
def test_what_is_no_resource_is_refused(value: Any) -> None:
    assert [issue.code for issue in validate(value)] == ["structure"]


def test_rare_invariants_are_asked_only_on_demand() -> None:
    value_set = {"resourceType": "ValueSet", "status": "draft", "name": "not a name of a computer"}
    assert validate(value_set) == []
    assert [(issue.key, issue.severity) for issue in validate(value_set, deep=True)] == [("vsd-0", "warning")]


def test_what_is_wrong_is_not_asked_for_rare_invariants() -> None:
    found = validate({"resourceType": "ValueSet", "name": "not a name", "status": "x"}, deep=True)
    assert [issue.code for issue in found] == ["code-invalid"]


def test_a_fault_in_each_of_many_entries_takes_no_longer_than_it_should() -> None:
    entries = [{"resource": {"resourceType": "Patient", "x": 1}}] * 20_000
    assert len(validate({"resourceType": "Bundle", "type": "collection", "entry": entries})) == MOST_ISSUES


MANY = 200_000
FLOODS: dict[str, dict[str, Any]] = {
    "objects": {"name": [{}] * MANY},
    "values": {"name": [{"given": [1] * MANY}]},
    "extensions of values": {"name": [{"_given": [{}] * MANY}]},
    "members": {f"x{at}": 1 for at in range(MANY)},
    "resources": {"contained": [{"resourceType": "Patient", "name": [{}] * 20}] * (MANY // 20)},
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_faults_is_not_walked_to_its_end(flood: dict[str, Any]) -> None:
    """Each fault weighs hundreds of bytes, and `{},` weighs three."""
    tracemalloc.start()
    try:
        assert len(validate({"resourceType": "Patient", **flood})) == MOST_ISSUES
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_what_a_flood_hides_breaks_no_invariant() -> None:
    """The walk stops before the last entry, so the Bundle's own rules cannot trust its type."""
    crowd: list[Any] = [{"fullUrl": "http://example.org/Patient/1/_history/1", "request": 1}] * MOST_ISSUES
    flood = {"resourceType": "Bundle", "type": "collection", "entry": [*crowd, {"resource": 7}, 7]}
    assert len(validate(flood)) == MOST_ISSUES
    told = [{"fullUrl": f"http://example.org/Patient/{at}"} for at in range(MOST_ISSUES)]
    unsound = {**flood, "entry": [*told, {"fullUrl": "http://example.org", "resource": {"meta": 7}}]}
    assert {issue.key for issue in validate(unsound)} == {"bdl-5"}


def test_errors_behind_many_warnings_are_told_first() -> None:
    agent = {"resourceType": "Patient", "managingOrganization": {"reference": "Practitioner/1"}}
    entries = [{"resource": agent}] * (MOST_ISSUES + 1) + [{"resource": {**agent, "gender": "x"}}]
    found = validate({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert (len(found), found[0].code, found[1].severity) == (MOST_ISSUES, "code-invalid", "warning")


def test_valid_local_references_hide_no_fault() -> None:
    """They are settled before issues are counted."""
    member = {"entity": {"reference": "#p"}}
    group = {
        "resourceType": "Group",
        "contained": [{"resourceType": "Patient", "id": "p"}],
        "type": "person",
        "actual": True,
        "member": [member] * (MOST_ISSUES + 1) + [{"inactive": True}],
    }
    assert [issue.expression for issue in validate(group)] == [f"Group.member[{MOST_ISSUES + 1}].entity"]


def test_a_string_has_a_mebibyte_at_most() -> None:
    assert validate({"resourceType": "Patient", "name": [{"text": "a" * 2**20}]}) == []
    assert [i.code for i in validate({"resourceType": "Patient", "name": [{"text": "a" * (2**20 + 1)}]})] == [
        "value"
    ]

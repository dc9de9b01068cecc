"""Consent: the cases of fixtures/cases/consent, and laws that hold for any Consents. https://hl7.org/fhir/R4/consent.html"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.access.actor import Actor, Role
from fhir_server.access.consent import Mode, permits
from fhir_server.access.consent_rules import CONFIDENTIALITY, RESOURCE_TYPES
from fhir_server.access.purpose import SYSTEM, Purpose

FOLDER = Path(__file__).parents[3] / "fixtures/cases/consent"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['it']}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(file.read_text())
]
NOON = datetime(2024, 6, 15, 12, tzinfo=UTC)

ROLES = {"staff": Actor(Role.STAFF, "desk"), "system": Actor.system()}


def _coding(system: str) -> Callable[[str], dict[str, Any]]:
    return lambda code: {"system": system, "code": code}


def _concept(text: str) -> dict[str, Any]:
    system, _, code = text.rpartition("|")
    return {"coding": [{"system": system, "code": code}]}


def _of_actor(value: Any) -> Any:
    if isinstance(value, str):
        return {"role": _concept("|IRCP"), "reference": {"reference": value}}
    return {**value, "role": _concept(f"|{value['role']}")}


SHORT: dict[str, Callable[[Any], Any]] = {
    "purpose": _coding(SYSTEM),
    "class": _coding(RESOURCE_TYPES),
    "securityLabel": _coding(CONFIDENTIALITY),
    "code": _concept,
    "action": _concept,
}


def _provision(value: Any) -> Any:
    """The short forms of a provision written out."""
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for key, expand in SHORT.items():
        if isinstance(found.get(key), list):
            found[key] = [expand(item) if isinstance(item, str) else item for item in found[key]]
    if found.get("actor"):
        found["actor"] = [_of_actor(item) for item in found["actor"]]
    if "provision" in found:
        found["provision"] = [_provision(item) for item in found["provision"]]
    return found


def _consent(given: dict[str, Any]) -> dict[str, Any]:
    found = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "patient": {"reference": "Patient/a"},
        **given,
    }
    found["scope"] = _concept(f"|{given.get('scope', 'patient-privacy')}")
    if "provision" in given:
        found["provision"] = _provision(given["provision"])
    if "policyRule" in given:
        found["policyRule"] = _concept(f"|{given['policyRule']}")
    return {key: value for key, value in found.items() if value is not None}


def _actor(who: str) -> Actor:
    if who.startswith("Patient/"):
        return Actor.of_patient(who.removeprefix("Patient/"))
    return ROLES.get(who) or Actor.clinician(who)


@pytest.mark.parametrize("case", CASES)
def test_consent(case: dict[str, Any]) -> None:
    found = permits(
        [_consent(c) for c in case["consents"]],
        Purpose(case.get("purpose", "PATRQT")),
        _actor(case.get("who", "Patient/a")),
        case.get("mode", "opt-in"),
        case.get("now", NOON),
        patient="a",
        resource=case.get("resource"),
        groups=case.get("groups"),
        through=case.get("through", ""),
    )
    assert found.permit is case["permit"], found
    assert found.consent == case.get("consent", found.consent)
    assert found.narrowed is case.get("narrowed", found.narrowed)
    assert found.reason


def test_there_are_forty_cases_and_each_has_its_own_name() -> None:
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names) >= 40


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
conditions: dict[str, st.SearchStrategy[Any]] = {
    "purpose": st.lists(st.sampled_from([c.value for c in Purpose]).map(_coding(SYSTEM)), max_size=2)
    | json_values,
    "class": st.lists(st.sampled_from(["Observation", "Condition"]).map(_coding(RESOURCE_TYPES)), max_size=2)
    | json_values,
    "actor": st.lists(
        st.sampled_from(["Patient/a", "Practitioner/7", "Organization/h"]).map(_of_actor), max_size=2
    )
    | json_values,
    "period": st.sampled_from([{"start": "2020"}, {"end": "2020"}, {"end": "?"}]) | json_values,
    "code": st.just([_concept("http://loinc.org|1")]) | json_values,
    "securityLabel": st.just([_coding(CONFIDENTIALITY)("R")]) | json_values,
    "dataPeriod": st.just({"start": "2023"}) | json_values,
    "data": json_values,
    "action": json_values,
}
provisions = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(["permit", "deny"])}, optional=conditions),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["permit", "deny"]),
            **conditions,
            "provision": st.lists(inner, max_size=3),
        },
    ),
    max_leaves=5,
)
consents = st.builds(lambda p: {**_consent({}), "provision": p}, provisions)
actors = st.sampled_from([Actor.of_patient("a"), Actor.clinician("Practitioner/7"), Actor.system()])
modes = st.sampled_from(["opt-in", "opt-out"])
resources = st.sampled_from(
    [
        None,
        {"resourceType": "Observation", "effectiveDateTime": "2024"},
        {"resourceType": "Condition", "code": {"text": "x"}},
    ]
)
denials = provisions.map(lambda p: {**_consent({}), "provision": {**p, "type": "deny", "provision": []}})


def _permits(given: list[Any], actor: Actor, mode: Mode, resource: dict[str, Any] | None) -> bool:
    return permits(given, Purpose.PATRQT, actor, mode, NOON, patient="a", resource=resource).permit


@given(st.lists(consents, max_size=3), denials, actors, modes, resources)
def test_adding_a_denial_never_shows_more(
    given: list[Any], denial: Any, actor: Actor, mode: Mode, resource: dict[str, Any] | None
) -> None:
    if _permits([*given, denial], actor, mode, resource):
        assert _permits(given, actor, mode, resource)


@given(st.lists(consents, max_size=3), actors, resources)
def test_opting_in_never_shows_more_than_opting_out(
    given: list[Any], actor: Actor, resource: dict[str, Any] | None
) -> None:
    if _permits(given, actor, "opt-in", resource):
        assert _permits(given, actor, "opt-out", resource)


@given(st.lists(consents, max_size=3), actors, modes, resources)
def test_what_is_withheld_from_all_is_withheld_of_each(
    given: list[Any], actor: Actor, mode: Mode, resource: dict[str, Any] | None
) -> None:
    if resource is not None and _permits(given, actor, mode, resource):
        assert _permits(given, actor, mode, None)


@given(st.lists(consents, max_size=3), actors, modes, resources, st.randoms())
def test_the_order_of_consents_does_not_matter(
    given: list[Any], actor: Actor, mode: Mode, resource: dict[str, Any] | None, random: Any
) -> None:
    shuffled = list(given)
    random.shuffle(shuffled)
    assert _permits(given, actor, mode, resource) is _permits(shuffled, actor, mode, resource)


@given(
    st.dictionaries(
        st.sampled_from(["status", "patient", "scope", "provision", "policyRule", "meta"]), json_values
    )
)
def test_no_malformed_consent_permits_or_breaks(consent: dict[str, Any]) -> None:
    assert not _permits([{"status": "active", **consent}], Actor.of_patient("a"), "opt-in", None)

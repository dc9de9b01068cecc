"""Valid resources of others are valid here. https://hl7.org/fhir/R4/validation.html"""

from __future__ import annotations

from typing import Any

import fhirkit
import pytest

from fhir_server.r4 import json
from fhir_server.r4.profiles.conform import conform
from fhir_server.r4.profiles.library import Library
from fhir_server.r4.validate import validate
from tests.real_data import real_resources
from tests.unit.r4.cases import changed
from tests.unit.r4.test_validate import BASES, CASES

LIBRARY = Library()
NO_LINK_IDS = {"bundle-questionnaire.json"}
"""Questionnaires of an example whose nested items have no linkId, which R4 requires."""


def _errors(resource: dict[str, Any], deep: bool = False) -> list[str]:
    return [
        f"{i.expression}: {i.diagnostics}" for i in validate(resource, deep=deep) if i.severity == "error"
    ]


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples"])
def test_examples_of_hl7_are_accepted(name: str) -> None:
    for path, resource in real_resources(name):
        if path.name not in NO_LINK_IDS:
            assert _errors(resource, deep=True) == [], path.name


UNKNOWN_MODIFIERS = {"basic-example.json"}
"""Its modifierExtensions are examples that nobody has defined."""


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples", "synthea_hiv"])
def test_r4s_own_profiles_and_extensions_refuse_nothing_real(name: str) -> None:
    """As $validate asks them: claimed profiles of R4, its extensions in their places, and no modifier that is not known."""
    for path, resource in real_resources(name):
        found = [issue for issue in conform(resource, LIBRARY) if issue.severity == "error"]
        assert bool(found) == (path.name in UNKNOWN_MODIFIERS), f"{path.name}: {found[:1]}"


@pytest.mark.parametrize("name", ["synthea", "synthea_hiv"])
def test_synthea_is_accepted(name: str) -> None:
    for path, resource in real_resources(name):
        assert _errors(resource) == [], path.name


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples"])
def test_fhirkit_agrees_on_the_examples(name: str) -> None:
    for path, resource in real_resources(name):
        theirs = any(issue.severity == "error" for issue in fhirkit.validate(json.encode(resource)))
        assert bool(_errors(resource)) == theirs, path.name


@pytest.mark.parametrize("case", CASES)
def test_fhirkit_refuses_nothing_that_is_accepted(case: dict[str, Any]) -> None:
    """The other way it does happen: it knows no bindings, invariants, narratives or references."""
    resource = changed(case, BASES)
    if not _errors(resource):
        assert not [i for i in fhirkit.validate(json.encode(resource)) if i.severity == "error"]

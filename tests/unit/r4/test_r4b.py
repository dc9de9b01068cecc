"""fhir.resources' models of R4B as a second opinion on R4: docs/r4b.md names the differences, and nothing else divides the two.

https://hl7.org/fhir/R4B/history.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fhirkit
import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fhir_server.r4 import json
from fhir_server.r4.definitions import RESOURCE_TYPES, elements, structure_paths
from fhir_server.r4.validate import validate
from tests.real_data import real_resources
from tests.unit.r4.cases import changed
from tests.unit.r4.test_validate import BASES, CASES

DOCS = Path(__file__).parents[3] / "docs"
COMMON = {"id", "extension", "modifierExtension", "contained"}
CHANGED: set[str] = set()
"""Examples on which the two disagree, each because of a difference that docs/r4b.md names: none."""
Differences = tuple[set[str], set[str]]


def model(path: str) -> Any:
    """The model of a type or backbone element; None where R4B has none."""
    try:
        return get_fhir_model_class("".join(part[0].upper() + part[1:] for part in path.split(".")))
    except ValueError:
        return None


def differences() -> Iterator[tuple[str, Differences]]:
    """Path, and the elements that only one of the two has there."""
    for path in structure_paths():
        if (theirs := model(path)) is not None:
            ours = {element.name for element in elements(path).values()} - COMMON
            found = set(theirs.elements_sequence()) - COMMON
            if ours != found:
                yield path, (ours - found, found - ours)


def _codes(text: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", text))


def test_the_page_names_the_types_that_r4b_does_not_have() -> None:
    line = next(
        one for one in (DOCS / "r4b.md").read_text().splitlines() if one.startswith("Types in R4 only")
    )
    assert _codes(line) == {kind for kind in RESOURCE_TYPES if model(kind) is None}


def test_the_page_names_the_elements_that_only_one_of_the_two_has() -> None:
    rows = [
        line.split("|")[1:4] for line in (DOCS / "r4b.md").read_text().splitlines() if line.startswith("| `")
    ]
    said = {_codes(path).pop(): (_codes(ours), _codes(theirs)) for path, ours, theirs in rows}
    assert said == dict(differences())


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples"])
def test_r4b_agrees_on_the_examples_of_hl7(name: str) -> None:
    for path, resource in real_resources(name):
        if path.name not in CHANGED:
            assert is_refused(resource) == refuses_r4b(resource), path.name


def is_refused(resource: dict[str, Any]) -> bool:
    return any(issue.severity == "error" for issue in validate(resource))


def refuses_r4b(resource: dict[str, Any]) -> bool:
    theirs = model(str(resource.get("resourceType")))
    if theirs is None:
        return True
    try:
        theirs.model_validate_json(json.encode(resource))
    except (ValidationError, KeyError):  # a resource inside it of a type that is none
        return True
    return False


def refuses_fhirkit(resource: dict[str, Any]) -> bool:
    return any(issue.severity == "error" for issue in fhirkit.validate(json.encode(resource)))


def test_ours_finds_what_the_others_find_and_more() -> None:
    """The counts of the decision to write our own."""
    resources = [changed(case.values[0], BASES) for case in CASES]
    ours = [resource for resource in resources if is_refused(resource)]
    accepted = [resource for resource in resources if not is_refused(resource)]
    assert not [resource for resource in accepted if refuses_r4b(resource) or refuses_fhirkit(resource)]
    page = (DOCS / "adr/0020-own-validator.md").read_text()
    counts = [len(ours), sum(map(refuses_fhirkit, ours)), sum(map(refuses_r4b, ours))]
    assert list(map(int, re.findall(r"^\| (?:ours|fhir).*?\| (\d+) \|", page, re.MULTILINE))) == counts

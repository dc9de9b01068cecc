"""HL7's FHIRPath tests for R4, run by our engine: the number that passes stands in docs/performance.md, and does not fall.

https://github.com/HL7/FHIRPath/blob/master/tests/r4/tests-fhir-r4.xml; tests whose input is not among the examples at hand are counted apart.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from fhir_server.r4 import json, xml
from fhir_server.r4.fhirpath_engine import evaluate
from tests.real_data import real_data

PAGE = Path(__file__).parents[3] / "docs/performance.md"
INPUTS = ("patient-example.xml", "questionnaire-example.json")
Case = ElementTree.Element


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """The resources that tests begin at, by the name without its ending."""
    folder = real_data("r4_examples")
    bodies = {name: (folder / name).read_bytes() for name in INPUTS}
    return {
        name.partition(".")[0]: xml.from_xml(body) if name.endswith("xml") else json.decode_object(body)
        for name, body in bodies.items()
    }


def suite() -> Iterator[Case]:
    yield from ElementTree.parse(real_data("fhirpath_tests") / "tests-fhir-r4.xml").getroot().iter("test")


def test_as_many_of_hl7s_fhirpath_tests_pass_as_the_page_says(inputs: dict[str, Any]) -> None:
    found = Counter(outcome(test, inputs) for test in suite())
    said = re.search(r"(\d+) pass, (\d+) fail, (\d+) have an input", PAGE.read_text())
    assert said is not None
    assert (found["pass"], found["fail"], found["no input"]) == tuple(map(int, said.groups()))


def outcome(test: Case, inputs: dict[str, Any]) -> str:
    name = (test.get("inputfile") or "").partition(".")[0]
    if name and name not in inputs:
        return "no input"
    return "pass" if passes(test, deepcopy(inputs.get(name, {}))) else "fail"


def passes(test: Case, resource: Any) -> bool:
    """An expression that is invalid has to raise, another one to give what is listed, in any order."""
    expression = test.find("expression")
    assert expression is not None
    is_invalid = bool(expression.get("invalid") or test.get("invalid"))
    try:
        found = evaluate(expression.text or "", resource, resource)
    except Exception:
        return is_invalid
    wanted = [(output.text or "").lstrip("@T") for output in test.findall("output")]
    if test.get("predicate") == "true":
        return not wanted or wanted == ["true" if found and found != [False] else "false"]
    return not is_invalid and sorted(map(shown, found)) == sorted(map(number, wanted))


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return number(str(getattr(value, "asStr", value)).lstrip("@T"))


def number(text: str) -> str:
    """`1.50` and `1.5` are the same number."""
    try:
        return str(Decimal(text).normalize()) if re.fullmatch(r"-?\d+(\.\d+)?", text) else text
    except InvalidOperation:
        return text

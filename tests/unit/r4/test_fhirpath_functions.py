"""Functions of FHIRPath that are ours: texts, numbers, and the boundaries of what is only known in part. http://hl7.org/fhirpath/#functions"""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fhir_server.r4.datatypes import parse_instant_or_partial
from fhir_server.r4.fhirpath_engine import evaluate
from fhir_server.r4.fhirpath_moments import WHOLE, moment_boundary

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "gender": "male",
    "birthDate": "2024-02",
    "active": True,
}
days = some.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31))
texts = days.flatmap(lambda day: some.sampled_from([day.isoformat(), f"{day:%Y-%m}", f"{day:%Y}"]))


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("gender.startsWith('')", [True]),
        ("gender.indexOf('le')", [2]),
        ("gender.indexOf({})", []),
        ("gender.replace('ma', 'fema')", ["female"]),
        ("gender.replace('ma', {})", []),
        ("gender.replaceMatches('', 'x')", ["male"]),
        ("gender.replaceMatches('(m)(a)', '$2$1')", ["amle"]),
        ("1.5.round()", [2]),
        ("'a\\\\\"b'.unescape('json')", ['a"b']),
        ("active.hasValue() and gender.hasValue() and deceased.hasValue().not()", [True]),
        ("Patient.gender = %resource.gender", [True]),
        ("$this is Patient", [True]),
        ("birthDate.lowBoundary(8)", ["2024-02-01"]),
        ("birthDate.highBoundary(8)", ["2024-02-29"]),
        ("birthDate.lowBoundary(5)", []),
    ],
)
def test_an_expression_has_its_value(expression: str, wanted: list[Any]) -> None:
    assert [
        str(one) if not isinstance(one, (bool, int)) else one
        for one in evaluate(expression, PATIENT, PATIENT)
    ] == wanted


@given(texts)
def test_boundaries_enclose_every_moment_that_a_date_may_mean(text: str) -> None:
    low = moment_boundary(text, WHOLE, is_high=False)
    high = moment_boundary(text, WHOLE, is_high=True)
    assert low
    assert high
    meant = parse_instant_or_partial(text)
    assert parse_instant_or_partial(low).lo <= meant.lo
    assert parse_instant_or_partial(high).hi >= meant.hi


@given(texts, some.sampled_from([4, 6, 8]))
def test_a_boundary_with_the_digits_of_the_date_is_the_date(text: str, digits: int) -> None:
    if len(text.replace("-", "")) >= digits:
        wanted = text[: {4: 4, 6: 7, 8: 10}[digits]]
        assert moment_boundary(text, digits, is_high=False) == wanted
        assert moment_boundary(text, digits, is_high=True) == wanted


@pytest.mark.parametrize("text", ["", "14:30", "2024-1", "yesterday"])
def test_what_is_no_moment_has_no_boundary(text: str) -> None:
    assert moment_boundary(text, WHOLE, is_high=True) is None

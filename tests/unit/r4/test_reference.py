"""What a literal reference says, and where references stand. https://hl7.org/fhir/R4/references.html#literal"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_server.r4.reference import Kind, Reference, parse, references, rewrite, walk

BASE = "http://localhost:8080/fhir"

PARSED: dict[str, Reference] = {
    "Patient/1": Reference(Kind.LOCAL, "Patient/1", "Patient", "1"),
    "Patient/1/_history/2": Reference(Kind.LOCAL, "Patient/1/_history/2", "Patient", "1", "2"),
    "Patient/1#n": Reference(Kind.LOCAL, "Patient/1", "Patient", "1", fragment="n"),
    f"{BASE}/Patient/a-b.C": Reference(Kind.LOCAL, f"{BASE}/Patient/a-b.C", "Patient", "a-b.C"),
    f"{BASE}/Patient/1/_history/2": Reference(
        Kind.LOCAL, f"{BASE}/Patient/1/_history/2", "Patient", "1", "2"
    ),
    "https://example.org/r4/Patient/1": Reference(
        Kind.ABSOLUTE, "https://example.org/r4/Patient/1", "Patient", "1"
    ),
    "https://example.org/r4/Patient/1/_history/2": Reference(
        Kind.ABSOLUTE, "https://example.org/r4/Patient/1/_history/2", "Patient", "1", "2"
    ),
    f"{BASE}2/Patient/1": Reference(Kind.ABSOLUTE, f"{BASE}2/Patient/1", "Patient", "1"),
    "https://example.org/guide#part": Reference(Kind.ABSOLUTE, "https://example.org/guide", fragment="part"),
    "https://example.org/Elephant/1": Reference(Kind.ABSOLUTE, "https://example.org/Elephant/1"),
    f"{BASE}/Patient?identifier=x": Reference(Kind.ABSOLUTE, f"{BASE}/Patient?identifier=x"),
    "urn:uuid:c44f361c-2efb-3050-8f97-0354a12e2920": Reference(
        Kind.URN, "urn:uuid:c44f361c-2efb-3050-8f97-0354a12e2920"
    ),
    "urn:oid:1.2.3#x": Reference(Kind.URN, "urn:oid:1.2.3", fragment="x"),
    "#coverage": Reference(Kind.CONTAINED, "", fragment="coverage"),
    "#": Reference(Kind.CONTAINED, ""),
    "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|1": Reference(
        Kind.CONDITIONAL, "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|1", "Practitioner"
    ),
}


@pytest.mark.parametrize(("text", "expected"), PARSED.items(), ids=PARSED.keys())
def test_says_where_it_leads(text: str, expected: Reference) -> None:
    assert parse(text, BASE) == expected


def test_without_a_base_every_url_is_elsewhere() -> None:
    assert parse(f"{BASE}/Patient/1").kind is Kind.ABSOLUTE


NO_REFERENCES = [
    "",
    " ",
    "1",
    "Patient",
    "Patient/",
    "/Patient/1",
    "Patient/1/",
    "Patient/1\n",
    "Patient/1 2",
    "Patient/a_b",
    "Patient/" + "1" * 65,
    "Patient/1/_history/",
    "Patient/1/Observation/2",
    "Elephant/1",
    "Elephant?name=x",
    "Patient?",
    "patient/1",
    "see the chart",
    "http:// x",
]


@pytest.mark.parametrize("text", NO_REFERENCES)
def test_what_has_no_form_of_a_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a reference"):
        parse(text, BASE)


RESOURCE: dict[str, Any] = {
    "resourceType": "Observation",
    "subject": {"reference": "urn:uuid:1", "display": "urn:uuid:1"},
    "performer": [{"reference": "#p"}, {"display": "somebody"}, {"identifier": {"value": "urn:uuid:2"}}],
    "instantiatesUri": ["http://example.org", "urn:uuid:3"],
    "contained": [{"resourceType": "PractitionerRole", "id": "p", "practitioner": {"reference": "Practitioner/1"}}],
    "_effectiveDateTime": {
        "extension": [{"url": "urn:uuid:4", "valueReference": {"type": "Group", "reference": "Group/1"}}]
    },
    "note": [{"_text": None, "text": "urn:uuid:5"}],
    "text": {"div": "urn:uuid:6"},
    "code": {"coding": [{"system": "urn:oid:7", "code": "urn"}]},
}  # fmt: skip


def test_finds_every_place() -> None:
    found = [(text, is_reference) for _, _, text, is_reference in walk(RESOURCE)]
    assert sorted(found) == [
        ("#p", True),
        ("Group/1", True),
        ("Practitioner/1", True),
        ("urn:oid:7", False),
        ("urn:uuid:1", True),
        ("urn:uuid:3", False),
        ("urn:uuid:4", False),
    ]


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "DetectedIssue", "status": "final", "reference": "urn:oid:1"},
        {"resourceType": "Immunization", "education": [{"documentType": "a", "reference": "urn:oid:1"}]},
        {"resourceType": "PlanDefinition", "expression": {"language": "text/cql", "reference": "urn:oid:1"}},
    ],
)
def test_a_uri_that_is_named_reference_is_none(resource: dict[str, Any]) -> None:
    assert [is_reference for _, _, _, is_reference in walk(resource)] == [False]


def test_lists_the_references() -> None:
    assert sorted(references(RESOURCE)) == ["#p", "Group/1", "Practitioner/1", "urn:uuid:1"]


def test_rewrites_references_and_urns_in_place() -> None:
    resource = deepcopy(RESOURCE)
    rewrite(resource, str.upper, lambda text: f"<{text}>")
    assert resource["subject"] == {"reference": "URN:UUID:1", "display": "urn:uuid:1"}
    assert resource["performer"][0] == {"reference": "#P"}
    assert resource["instantiatesUri"] == ["http://example.org", "<urn:uuid:3>"]
    assert resource["code"]["coding"][0]["system"] == "<urn:oid:7>"


def test_rewrites_references_alone() -> None:
    resource = deepcopy(RESOURCE)
    rewrite(resource, lambda text: text)
    assert resource == RESOURCE

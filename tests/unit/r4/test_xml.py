"""FHIR's XML format: what stays as it is, and what is refused. https://hl7.org/fhir/R4/xml.html"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.xml import from_xml, indented, to_xml

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">%s</div>'


def spelled(value: Any) -> Any:
    """A value in which 1.0 and 1.00 differ, as do 1 and true."""
    if isinstance(value, dict):
        return {name: spelled(item) for name, item in value.items()}
    return (
        [spelled(item) for item in value] if isinstance(value, list) else (type(value).__name__, str(value))
    )


def _xml(inner: str, kind: str = "Patient") -> bytes:
    return f'<{kind} xmlns="http://hl7.org/fhir">{inner}</{kind}>'.encode()


def _narrated(inner: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "text": {"status": "generated", "div": DIV % inner}}


SURVIVES: dict[str, dict[str, Any]] = {
    "a decimal's zeros": {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.00")}},
    "a decimal's exponent": {
        "resourceType": "Observation",
        "valueQuantity": {"value": json.number("1.20E-7")},
    },
    "a whole decimal": {"resourceType": "Observation", "valueQuantity": {"value": 72}},
    "false": {"resourceType": "Patient", "active": False},
    "zero": {"resourceType": "Patient", "multipleBirthInteger": 0},
    "a primitive's id and extension": {
        "resourceType": "Patient",
        "birthDate": "1970-01-01",
        "_birthDate": {"id": "b", "extension": [{"url": "http://example.org/t", "valueTime": "08:00:00"}]},
    },
    "an extension without a value beside it": {
        "resourceType": "Patient",
        "_birthDate": {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]},
    },
    "nulls in lists of primitives": {
        "resourceType": "Patient",
        "name": [{"given": ["A", None, "B"], "_given": [None, {"id": "x"}, {"id": "y"}]}],
    },
    "a list in which only the last has an id": {
        "resourceType": "Patient",
        "name": [{"given": ["A", "B"], "_given": [None, {"id": "y"}]}],
    },
    "ids of elements": {"resourceType": "Patient", "id": "p", "name": [{"id": "n", "family": "F"}]},
    "nested extensions": {
        "resourceType": "Patient",
        "extension": [{"url": "http://example.org/a", "extension": [{"url": "b", "valueBoolean": True}]}],
    },
    "contained resources": {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
        "managingOrganization": {"reference": "#o"},
    },
    "resources in a Bundle": {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "active": True}},
            {"fullUrl": "urn:uuid:2"},
        ],
    },
    "resources in Parameters": {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "a", "resource": {"resourceType": "Patient"}},
            {"name": "b", "part": [{"name": "c", "valueInteger": 1}]},
        ],
    },
    "signs that XML has taken": {
        "resourceType": "Patient",
        "name": [{"family": "<&>\"'", "text": "a\nb\tc  d é 猫 🙂"}],
    },
    "a narrative's own spelling": _narrated("<p class='a'>1 &lt; 2 <br /> &#160;<b>é</b></p>\n"),
    "divs in divs": _narrated('<div title="a > b">x</div><!-- </div> --> tail <div/>'),
    "two narratives": {
        "resourceType": "Composition",
        "text": {"status": "generated", "div": DIV % "one"},
        "section": [{"text": {"status": "generated", "div": DIV % "<i>two</i>"}}, {"title": "t"}],
    },
}


@pytest.mark.parametrize("resource", SURVIVES.values(), ids=SURVIVES.keys())
def test_survives_xml(resource: dict[str, Any]) -> None:
    assert spelled(from_xml(to_xml(resource))) == spelled(resource)


def test_elements_stand_in_r4s_order() -> None:
    body = to_xml({"birthDate": "1970", "active": True, "id": "p", "resourceType": "Patient"})
    assert body.index(b"<id ") < body.index(b"<active ") < body.index(b"<birthDate ")


def test_named_characters_of_html_become_letters() -> None:
    assert from_xml(to_xml(_narrated("a&nbsp;b")))["text"]["div"] == DIV % "a\u00a0b"


def test_a_narrative_under_a_prefix_is_written_on_its_own() -> None:
    inner = '<text><status value="generated"/><h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:b>c</h:b></h:div></text>'
    div = from_xml(_xml(inner))["text"]["div"]
    assert div == '<h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:b>c</h:b></h:div>'


def test_reads_other_encodings() -> None:
    body = '<?xml version="1.0" encoding="UTF-16"?><Patient xmlns="http://hl7.org/fhir"><id value="é"/></Patient>'
    assert from_xml(body.encode("utf-16"))["id"] == "é"


def test_a_schema_location_and_comments_are_no_content() -> None:
    body = _xml('<!-- a --><active value="true"/>').replace(
        b"<Patient ",
        b'<Patient xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b" ',
    )
    assert from_xml(body) == {"resourceType": "Patient", "active": True}


REFUSED: dict[str, tuple[bytes, Problem, str]] = {
    "nothing": (b"", Problem.NOT_JSON, ""),
    "an open element": (b"<Patient>", Problem.NOT_JSON, ""),
    "a document type": (b"<!DOCTYPE Patient>" + _xml(""), Problem.NOT_JSON, ""),
    "an entity that grows": (
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + _xml('<id value="&b;"/>'),
        Problem.NOT_JSON,
        "",
    ),
    "an entity from a file": (
        b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + _xml("<id>&a;</id>"),
        Problem.NOT_JSON,
        "",
    ),
    "a great depth": (_xml("<extension>" * 300 + "</extension>" * 300), Problem.NOT_JSON, ""),
    "an unknown element": (
        _xml('<name><nickname value="x"/></name>'),
        Problem.INVALID,
        "Patient.name[0].nickname",
    ),
    "an unknown element in a Bundle": (
        _xml('<entry><resource><Patient><x value="1"/></Patient></resource></entry>', "Bundle"),
        Problem.INVALID,
        "Bundle.entry[0].resource.x",
    ),
    "an unknown type": (_xml("", "Invoices"), Problem.INVALID, ""),
    "another namespace": (b"<Patient/>", Problem.INVALID, "Resource"),
    "text between elements": (_xml("hello"), Problem.INVALID, "Patient"),
    "an unknown attribute": (_xml('<active value="true" color="red"/>'), Problem.INVALID, "Patient.active"),
    "an element that does not repeat": (
        _xml('<active value="true"/><active value="true"/>'),
        Problem.INVALID,
        "Patient.active",
    ),
    "a boolean that is none": (_xml('<active value="yes"/>'), Problem.INVALID, "Patient.active"),
    "a number that is none": (
        _xml('<multipleBirthInteger value="two"/>'),
        Problem.INVALID,
        "Patient.multipleBirth",
    ),
    "a number with a plus": (
        _xml('<multipleBirthInteger value="+2"/>'),
        Problem.INVALID,
        "Patient.multipleBirth",
    ),
    "an entry without its resource": (
        _xml("<entry><resource/></entry>", "Bundle"),
        Problem.INVALID,
        "Bundle.entry[0].resource",
    ),
}


@pytest.mark.parametrize(("body", "problem", "place"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(body: bytes, problem: Problem, place: str) -> None:
    with pytest.raises(FhirError) as caught:
        from_xml(body)
    assert (caught.value.problem, caught.value.issues[0].expression) == (problem, place)
    assert problem is Problem.INVALID or "XML" in str(caught.value)


WRITES_NOT: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown element": ({"resourceType": "Patient", "name": [{"x": 1}]}, "Patient.name"),
    "an unknown type": ({"resourceType": "Elephant"}, "Resource"),
    "a type that is no text": ({"resourceType": ["Patient"]}, "Resource"),
    "an object in the place of a value": ({"resourceType": "Patient", "active": {"x": 1}}, "Patient.active"),
    "a list in the place of an id": (
        {"resourceType": "Patient", "name": [{"id": ["x"], "text": "a"}]},
        "Patient.name",
    ),
    "a broken narrative": ({"resourceType": "Patient", "text": {"div": "<div>"}}, "Patient.text.div"),
    "text in the place of an object": ({"resourceType": "Patient", "name": ["x"]}, "Patient.name"),
}


@pytest.mark.parametrize(("resource", "place"), WRITES_NOT.values(), ids=WRITES_NOT.keys())
def test_does_not_write(resource: dict[str, Any], place: str) -> None:
    with pytest.raises(FhirError) as caught:
        to_xml(resource)
    assert (caught.value.problem, caught.value.issues[0].expression) == (Problem.INVALID, place)


@given(st.text(st.characters(exclude_categories=[]), min_size=1))
def test_whatever_an_error_repeats_is_well_formed_xml_with_the_same_letters(text: str) -> None:
    """An address may hold any character; XML may not: https://www.w3.org/TR/xml/#charsets"""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invalid", "diagnostics": text}],
    }
    body = to_xml(outcome)
    told = etree.fromstring(indented(body)).find(".//{*}diagnostics").get("value")
    assert len(told) == len(text)
    assert all(after in (before, "\ufffd") for before, after in zip(text, told, strict=True))

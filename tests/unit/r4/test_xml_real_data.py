"""JSON that becomes XML and JSON again is the same, digit by digit. https://hl7.org/fhir/R4/xml.html"""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from fhir_server.r4.xml import from_xml, to_xml
from tests.real_data import real_data, real_resources
from tests.unit.r4.test_xml import spelled


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples", "synthea_hiv"])
def test_real_resources_survive_xml(name: str) -> None:
    for path, resource in real_resources(name):
        assert spelled(from_xml(to_xml(resource))) == spelled(resource), path.name


def _canonical(body: bytes) -> bytes:
    """Canonical XML without what FHIR does not keep: comments, schema locations, blanks between elements."""
    root = etree.fromstring(body, etree.XMLParser(remove_comments=True, remove_pis=True))
    for name in [
        name for name in root.attrib if name.startswith("{http://www.w3.org/2001/XMLSchema-instance}")
    ]:
        del root.attrib[name]
    _drop_blanks(root)
    etree.cleanup_namespaces(root)
    return bytes(etree.tostring(root, method="c14n"))


def _drop_blanks(node: Any) -> None:
    for child in node:
        child.tail = None
        if not child.tag.startswith("{http://www.w3.org/1999/xhtml}"):
            _drop_blanks(child)
    if len(node):
        node.text = None


def test_hl7s_own_xml_survives_json() -> None:
    files = sorted(real_data("r4_examples").rglob("*.xml"))
    assert files
    for path in files:
        body = path.read_bytes()
        assert _canonical(to_xml(from_xml(body))) == _canonical(body), path.name


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples"])
def test_xml_is_the_same_after_json(name: str) -> None:
    for path, resource in real_resources(name):
        body = to_xml(resource)
        assert _canonical(to_xml(from_xml(body))) == _canonical(body), path.name


def test_hl7s_xml_and_json_of_one_resource_are_the_same() -> None:
    folder = real_data("r4_examples")
    json_of = dict(real_resources("r4_examples"))
    twins = [path for path in json_of if path.with_suffix(".xml").exists()]
    assert twins, folder
    for path in twins:
        assert spelled(from_xml(path.with_suffix(".xml").read_bytes())) == spelled(json_of[path]), path.name

"""JSON that becomes XML and JSON again is the same, digit by digit. https://hl7.org/fhir/R4/xml.html"""

from __future__ import annotations

import pytest

from fhir_server.r4.xml import from_xml, to_xml
from tests.real_data import real_data, real_resources
from tests.unit.r4.test_xml import spelled


@pytest.mark.parametrize("name", ["r4_examples", "us_core_examples", "synthea_hiv"])
def test_real_resources_survive_xml(name: str) -> None:
    for path, resource in real_resources(name):
        assert spelled(from_xml(to_xml(resource))) == spelled(resource), path.name


def test_hl7s_own_xml_survives_json() -> None:
    files = sorted(real_data("r4_examples").rglob("*.xml"))
    assert files
    for path in files:
        resource = from_xml(path.read_bytes())
        assert spelled(from_xml(to_xml(resource))) == spelled(resource), path.name


def test_hl7s_xml_and_json_of_one_resource_are_the_same() -> None:
    folder = real_data("r4_examples")
    json_of = dict(real_resources("r4_examples"))
    twins = [path for path in json_of if path.with_suffix(".xml").exists()]
    assert twins, folder
    for path in twins:
        assert spelled(from_xml(path.with_suffix(".xml").read_bytes())) == spelled(json_of[path]), path.name

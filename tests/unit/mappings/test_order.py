"""Files that create come before files that refer to what they create, in whatever order they came (mappings.order)."""

from __future__ import annotations

from itertools import permutations

import pytest

from mappings.order import needed, order
from mappings.source import Kind, Source


def source(name: str, body: str) -> Source:
    return Source(name, Kind.JSON, body.encode())


def creates(type: str, value: str, refers: str = "") -> str:
    reference = f',"managingOrganization":{{"reference":"{refers}"}}' if refers else ""
    return f'{{"resourceType":"{type}","identifier":[{{"system":"s", "value": "{value}"}}]{reference}}}'


FREE = source("free", '{"resourceType":"Patient"}')
HOSPITAL = source("hospital", creates("Organization", "h"))
WARD = source("ward", creates("Location", "w", "Organization?identifier=s|h"))
VISIT = source(
    "visit",
    '{"resourceType":"Encounter","location":[{"location":{"reference":"Location?identifier=s%7Cw"}}]}',
)


@pytest.mark.parametrize("given", list(permutations([FREE, HOSPITAL, WARD, VISIT])))
def test_each_need_is_met_by_an_earlier_wave(given: tuple[Source, ...]) -> None:
    found = {s.name: s for s in order(given)}
    assert {name: s.wave for name, s in found.items()} == {"free": 0, "hospital": 0, "ward": 1, "visit": 2}
    assert {name: s.body for name, s in found.items()} == {s.name: s.body for s in given}


def test_what_nobody_brings_and_what_goes_in_a_circle_still_comes() -> None:
    one = source("one", creates("Organization", "a", "Location?identifier=s|b"))
    two = source("two", creates("Location", "b", "Organization?identifier=s|a"))
    lost = source("lost", creates("Location", "c", "Organization?identifier=s|nobody"))
    assert [(s.name, s.wave) for s in order([one, two, lost])] == [("lost", 1), ("one", 2), ("two", 2)]


def test_what_waits_may_be_larger_than_memory() -> None:
    given = [
        source(str(i), creates("Location", "x" * 1000, f"Organization?identifier=s|{i}")) for i in range(50)
    ]
    assert [s.body for s in order(given, memory=100)] == [s.body for s in given]


def test_needs_are_found_in_json_and_in_xml() -> None:
    json = b'{"reference" : "Practitioner?identifier=http://s|9&active=true"}'
    xml = b'<reference value="Practitioner?identifier=http://s|9"/>'
    assert needed(json) == needed(xml) == {(b"Practitioner", b"9")}
    assert not needed(b'{"reference":"Practitioner/9","div":"why?"}')

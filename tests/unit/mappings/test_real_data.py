"""Real Synthea exports and HL7's examples, through the whole of this package."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fhir_server.r4.json import decode_object
from mappings.bundle import needs, normalise
from mappings.files import read
from mappings.order import order
from mappings.reference import references
from mappings.source import Kind, Source
from tests.real_data import VARIABLE


def sources(name: str) -> list[Source]:
    folder = os.environ.get(VARIABLE)
    if not folder or not (archive := Path(folder) / f"{name}.tar.xz").is_file():
        pytest.skip(f"{VARIABLE} is not set to a folder with {name}.tar.xz")
    return list(read([archive]))


def loaded(source: Source) -> dict[str, Any]:
    return normalise(decode_object(source.body), source.name)


def test_synthea_becomes_updates_whose_references_stand_in_the_bundle() -> None:
    for source in islice(sources("synthea"), 5):
        bundle = loaded(source)
        names = {entry["fullUrl"] for entry in bundle["entry"]}
        assert {entry["request"]["method"] for entry in bundle["entry"]} == {"PUT"}
        assert all(f"urn:uuid:{entry['resource']['id']}" == entry["fullUrl"] for entry in bundle["entry"])
        assert {r for r in references(bundle) if not r.startswith("#")} <= names


def test_hospitals_and_practitioners_come_before_the_patients_that_need_them() -> None:
    backwards = sorted(sources("synthea_hiv"), key=lambda source: source.name, reverse=True)
    there: set[str] = set()
    for source in order(backwards):
        bundle = loaded(source)
        assert needs(bundle) <= there
        for entry in bundle["entry"]:
            if searched := entry["request"].get("ifNoneExist"):
                there.add(f"{entry['resource']['resourceType']}?{searched}")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("r4_examples", {Kind.JSON: 32, Kind.XML: 3, Kind.SKIPPED: 15}),
        ("us_core_examples", {Kind.JSON: 90}),
        ("ccda_hl7", {Kind.CCDA: 8}),
        ("hl7v2", {Kind.HL7V2: 60}),
    ],
)
def test_each_file_is_recognised(name: str, kinds: dict[Kind, int]) -> None:
    found = sources(name)
    assert Counter(source.kind for source in found) == kinds
    assert all(loaded(source)["entry"] for source in found if source.kind is Kind.JSON)

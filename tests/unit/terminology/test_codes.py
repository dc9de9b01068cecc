"""Code systems and value sets as shipped: what R4's own compose comes down to. https://hl7.org/fhir/R4/valueset.html#compositions"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology.codes import shipped
from terminology.codes.catalog import Catalog, Shelves
from terminology.codes.compose import Composer, Member, One
from terminology.codes.concept import CannotTell
from terminology.coding import ICD_10_CM, SNOMED

CATALOG = Catalog(Shelves(), Shelves())
URLS = sorted(shipped.shelf("valuesets").numbers)


@cache
def members(url: str) -> dict[tuple[str, str], Member] | None:
    try:
        return Composer(CATALOG).members(CATALOG.require_value_set(url))
    except CannotTell:
        return None


def test_nine_of_ten_value_sets_of_r4_can_be_listed_and_the_rest_rest_on_what_r4_does_not_bring() -> None:
    listed = [url for url in URLS if members(url) is not None]
    assert len(URLS) == 1316
    assert len(listed) >= 1220


@given(st.sampled_from(URLS), st.data())
def test_each_code_of_an_expansion_is_one_that_the_value_set_has(url: str, data: st.DataObject) -> None:
    found = members(url)
    if not found:
        return
    system, code = data.draw(st.sampled_from(sorted(found)))
    asked = Composer(CATALOG, One(system, code)).members(CATALOG.require_value_set(url))
    assert list(asked) == [(system, code)]
    assert asked[system, code].concept == found[system, code].concept


@given(st.sampled_from(URLS), st.sampled_from(URLS))
def test_a_code_that_is_not_in_the_expansion_is_not_in_the_value_set(url: str, other: str) -> None:
    found, elsewhere = members(url), members(other)
    for system, code in list(elsewhere or ())[:5] if found is not None else ():
        asked = Composer(CATALOG, One(system, code)).members(CATALOG.require_value_set(url))
        assert bool(asked) is ((system, code) in found)  # type: ignore[operator]


def test_icd_10_cm_knows_its_codes_their_titles_and_what_stands_above() -> None:
    system = CATALOG.require_system(ICD_10_CM)
    assert system.find(["E11.9"])["E11.9"].display == "Type 2 diabetes mellitus without complications"
    assert system.above("E11.9") == ["E11", "E08-E13", "4"]
    assert not system.find(["E11.99"])


def test_snomed_descriptions_are_not_shipped() -> None:
    sets = [shipped.value_set(url) or {} for url in URLS]
    includes = [part for found in sets for part in found.get("compose", {}).get("include", ())]
    listed = [c for part in includes if part.get("system") == SNOMED for c in part.get("concept", ())]
    assert len(listed) > 500
    assert not [concept for concept in listed if "display" in concept]


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*)*b", "([ab]+)*", "(", "a" * 201])
def test_a_pattern_that_could_run_forever_is_not_run(pattern: str) -> None:
    rule = {"property": "code", "op": "regex", "value": pattern}
    found = {"compose": {"include": [{"system": ICD_10_CM, "filter": [rule]}]}}
    with pytest.raises(CannotTell):
        Composer(CATALOG).members(found)

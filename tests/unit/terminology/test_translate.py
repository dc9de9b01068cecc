"""Laws of translation, over R4's own ConceptMaps and over maps of Hypothesis' making.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fhir_server.r4.concept_maps import shipped
from fhir_server.r4.definitions import concept_maps
from terminology.coding import Coding
from terminology.concept_map import ConceptMap, parse
from terminology.translate import Asked, Match, translate

BACK = Asked(is_reverse=True)
codes = some.sampled_from("abcd")
equivalences = some.sampled_from(
    ["equal", "equivalent", "wider", "narrower", "subsumes", "specializes", "inexact"]
)
targets = some.lists(some.fixed_dictionaries({"code": codes, "equivalence": equivalences}), max_size=3)
elements = some.lists(some.fixed_dictionaries({"code": codes, "target": targets}), min_size=1, max_size=4)


def no_map(canonical: str) -> ConceptMap | None:
    return None


def asked(map: ConceptMap, coding: Coding, how: Asked) -> list[Match]:
    return list(translate(map, coding, how, no_map))


def made(found: list[dict[str, Any]]) -> ConceptMap:
    return parse(
        {"url": "http://m", "status": "active", "group": [{"source": "s", "target": "t", "element": found}]}
    )


def test_all_eighty_maps_of_r4_are_known() -> None:
    assert len(concept_maps()) == 80
    assert {found["url"] for found in concept_maps()} <= shipped().keys()


@pytest.mark.parametrize("url", sorted(shipped()))
def test_every_row_of_a_shipped_map_is_found_from_both_ends(url: str) -> None:
    map = shipped()[url]
    for group in map.groups:
        for code, rows in group.forwards.items():
            found = asked(map, Coding(group.source, code), Asked(group.target))
            assert [match.coding for match in found][-len(rows) :] == [row.target for row in rows] or not rows
        for code in group.backwards:
            assert asked(map, Coding(group.target, code), BACK)


@given(elements, codes)
def test_what_is_found_forwards_is_found_backwards(found: list[dict[str, Any]], code: str) -> None:
    map = made(found)
    for match in asked(map, Coding("s", code), Asked()):
        assert code in [back.coding.code for back in asked(map, match.coding, BACK)]


@given(elements, codes)
def test_backwards_twice_is_the_same_equivalence(found: list[dict[str, Any]], code: str) -> None:
    turned = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
    map = made(found)
    forwards = sorted((m.coding.code, m.equivalence) for m in asked(map, Coding("s", code), Asked()))
    ends = {m.coding for m in asked(map, Coding("s", code), Asked())}
    backwards = [(end.code, m) for end in ends for m in asked(map, end, BACK) if m.coding.code == code]
    assert sorted((end, turned.get(m.equivalence, m.equivalence)) for end, m in backwards) == forwards


@given(elements)
def test_a_code_of_another_system_has_no_translation(found: list[dict[str, Any]]) -> None:
    assert asked(made(found), Coding("u", "a"), Asked()) == []
    assert asked(made(found), Coding("s", "a"), Asked(target_system="u")) == []


def test_maps_that_leave_a_code_to_one_another_come_to_an_end() -> None:
    def chain(canonical: str) -> ConceptMap:
        number = int(canonical.rpartition("/")[2]) + 1
        group = {"source": "s", "target": "t", "element": [{"code": "other"}]}
        return parse({"group": [group | {"unmapped": {"mode": "other-map", "url": f"http://m/{number}"}}]})

    assert list(translate(chain("http://m/0"), Coding("s", "a"), Asked(), chain)) == []


def test_an_unmatched_code_is_no_translation_and_ignores_what_stands_for_the_unlisted() -> None:
    group = {"source": "s", "target": "t", "unmapped": {"mode": "provided"}}
    map = parse({"group": [group | {"element": [{"code": "a", "target": [{"equivalence": "unmatched"}]}]}]})
    assert [match.is_translation for match in asked(map, Coding("s", "a"), Asked())] == [False]
    assert [match.is_translation for match in asked(map, Coding("s", "b"), Asked())] == [True]

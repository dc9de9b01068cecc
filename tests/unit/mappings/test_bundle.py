"""A Bundle of any type becomes a transaction that can be loaded twice (mappings.bundle).

https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from mappings.bundle import collection, needs, normalise
from mappings.problem import NotMappable

ONE = "urn:uuid:0b6f8d56-3b5e-4b6a-9a43-111111111111"
TWO = "urn:uuid:0b6f8d56-3b5e-4b6a-9a43-222222222222"
HOST = "https://a.example/fhir/"


def bundle(type: str, *entries: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, **members, "entry": list(entries)}


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def observation(subject: str, **members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", **members, "subject": {"reference": subject}}


def post(full_url: str, resource: dict[str, Any], **request: str) -> dict[str, Any]:
    return {
        "fullUrl": full_url,
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"], **request},
    }


def asked(transaction: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["request"]["method"], entry["request"]["url"]) for entry in transaction["entry"]]


def subject(transaction: dict[str, Any], index: int) -> str:
    return str(transaction["entry"][index]["resource"]["subject"]["reference"])


def test_a_create_with_a_uuid_becomes_an_update_of_that_id() -> None:
    found = normalise(bundle("transaction", post(ONE, patient()), post(TWO, observation(ONE))), "a.json")
    assert asked(found) == [("PUT", f"Patient/{ONE[9:]}"), ("PUT", f"Observation/{TWO[9:]}")]
    assert found["entry"][0]["resource"]["id"] == ONE[9:]
    assert found["entry"][0]["fullUrl"] == ONE
    assert subject(found, 1) == ONE, "the transaction resolves it"


def test_a_batch_becomes_a_transaction() -> None:
    assert normalise(bundle("batch", post(ONE, patient())), "a.json")["type"] == "transaction"


def test_the_same_source_gives_the_same_transaction_and_is_not_changed() -> None:
    source = bundle(
        "collection", {"fullUrl": f"{HOST}Patient/1", "resource": patient()}, {"resource": patient()}
    )
    before = deepcopy(source)
    assert normalise(source, "a.json") == normalise(source, "a.json")
    assert source == before


def test_normalising_again_changes_nothing() -> None:
    once = normalise(
        bundle("collection", {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1")}), "a.json"
    )
    assert normalise(once, "b.json") == once


@pytest.mark.parametrize(
    "entry",
    [
        {"fullUrl": ONE, "resource": patient(id="p"), "request": {"method": "PUT", "url": "Patient/p"}},
        {
            "fullUrl": ONE,
            "resource": patient(),
            "request": {"method": "PUT", "url": "Patient?identifier=s|1"},
        },
        post(ONE, patient(), ifNoneExist="identifier=s|1"),
        {"request": {"method": "DELETE", "url": "Patient/p"}},
        {"request": {"method": "GET", "url": "Patient?name=a"}},
        {"resource": {"resourceType": "Parameters"}, "request": {"method": "POST", "url": "Patient/$match"}},
    ],
)
def test_what_asks_for_more_than_a_create_stays(entry: dict[str, Any]) -> None:
    assert normalise(bundle("transaction", entry), "a.json")["entry"] == [entry]


def test_resources_of_two_servers_with_the_same_id_stay_apart() -> None:
    def of(host: str) -> str:
        entry = {"fullUrl": f"{host}Patient/1", "resource": patient(id="1")}
        return asked(normalise(bundle("searchset", entry), "a.json"))[0][1]

    assert of(HOST) != of("https://b.example/fhir/")


@pytest.mark.parametrize(
    "reference",
    ["Patient/1", f"{HOST}Patient/1", "Patient/1/_history/7", f"{HOST}Patient/1/_history/7"],
)
def test_references_follow_the_new_id(reference: str) -> None:
    found = normalise(
        bundle(
            "searchset",
            {"fullUrl": f"{HOST}Observation/9", "resource": observation(reference, id="9")},
            {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1")},
        ),
        "a.json",
    )
    assert subject(found, 0) == found["entry"][1]["request"]["url"]


def test_a_record_in_several_pages_holds_together() -> None:
    first = bundle(
        "searchset", {"fullUrl": f"{HOST}Observation/9", "resource": observation("Patient/1", id="9")}
    )
    second = bundle("searchset", {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1")})
    assert subject(normalise(first, "1"), 0) == asked(normalise(second, "2"))[0][1]


def test_a_relative_reference_in_a_transaction_means_this_server() -> None:
    entry = post(f"{HOST}Observation/9", observation("Patient/1", id="9"))
    assert subject(normalise(bundle("transaction", entry), "a.json"), 0) == "Patient/1"


@pytest.mark.parametrize(
    "reference", ["#p", "Patient?identifier=s|1", "https://c.example/fhir/Patient/1", ONE]
)
def test_references_elsewhere_stay(reference: str) -> None:
    entry = {"fullUrl": f"{HOST}Observation/9", "resource": observation(reference, id="9")}
    assert subject(normalise(bundle("collection", entry), "a.json"), 0) == reference


def test_attachments_and_narrative_links_follow_too_but_canonical_urls_do_not() -> None:
    document = {
        "resourceType": "DocumentReference",
        "id": "d",
        "meta": {"profile": [f"{HOST}StructureDefinition/x"]},
        "text": {"status": "generated", "div": '<div><a href="Patient/1">who</a><img src="#local"/></div>'},
        "content": [{"attachment": {"url": f"{HOST}Binary/b"}}],
    }
    found = normalise(
        bundle(
            "collection",
            {"fullUrl": f"{HOST}DocumentReference/d", "resource": document},
            {"fullUrl": f"{HOST}Binary/b", "resource": {"resourceType": "Binary", "id": "b"}},
            {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1")},
        ),
        "a.json",
    )
    _, binary, who = (url for _, url in asked(found))
    resource = found["entry"][0]["resource"]
    assert resource["content"][0]["attachment"]["url"] == binary
    assert resource["text"]["div"] == f'<div><a href="{who}">who</a><img src="#local"/></div>'
    assert resource["meta"] == document["meta"]


def test_a_reference_by_the_old_id_follows_in_a_document_with_uuids() -> None:
    found = normalise(
        bundle(
            "document",
            {"fullUrl": ONE, "resource": patient(id="old")},
            {"fullUrl": TWO, "resource": observation("Patient/old")},
        ),
        "a.json",
    )
    assert subject(found, 1) == f"Patient/{ONE[9:]}"


def test_a_reference_to_a_conditional_create_names_its_entry() -> None:
    found = normalise(
        bundle(
            "transaction",
            post(f"{HOST}Patient/1", patient(id="1"), ifNoneExist="identifier=s|1"),
            post(f"{HOST}Observation/9", observation("Patient/1")),
        ),
        "a.json",
    )
    assert subject(found, 1) == f"{HOST}Patient/1"


def test_a_uuid_that_is_none_is_told_apart_by_its_source() -> None:
    source = bundle("transaction", post("urn:uuid:1", patient()))
    assert asked(normalise(source, "a")) == asked(normalise(source, "a"))
    assert asked(normalise(source, "a")) != asked(normalise(source, "b"))


def test_our_own_resources_keep_their_ids() -> None:
    entry = {"fullUrl": f"{HOST}Observation/9", "resource": observation("Patient/1", id="9")}
    found = normalise(bundle("searchset", entry), "a.json", own_base=HOST)
    assert asked(found) == [("PUT", "Observation/9")]
    assert subject(found, 0) == "Patient/1"


def test_a_single_resource_keeps_its_id() -> None:
    assert asked(normalise(patient(id="p"), "a.json")) == [("PUT", "Patient/p")]


def test_a_resource_without_any_name_is_named_by_its_content() -> None:
    def url(resource: dict[str, Any]) -> str:
        return asked(normalise(resource, "a.json"))[0][1]

    assert url(patient(active=True)) == url(patient(active=True))
    assert url(patient(active=True)) != url(patient(active=False))
    equal = normalise(collection([patient(active=True), patient(active=True)]), "a.json")
    assert len(set(asked(equal))) == 2


def test_of_a_history_the_newest_version_stays() -> None:
    def version(number: str) -> dict[str, Any]:
        return {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1", meta={"versionId": number})}

    for order in (("2", "10", "1"), ("10", "2", "1")):
        found = normalise(bundle("history", *map(version, order)), "a.json")
        assert [entry["resource"]["meta"]["versionId"] for entry in found["entry"]] == ["10"]


def test_what_a_history_deleted_last_is_deleted_here() -> None:
    found = normalise(
        bundle(
            "history",
            {"fullUrl": f"{HOST}Patient/1", "request": {"method": "DELETE", "url": "Patient/1"}},
            {
                "fullUrl": f"{HOST}Patient/1",
                "resource": patient(id="1"),
                "request": {"method": "PUT", "url": "Patient/1"},
            },
        ),
        "a.json",
    )
    held = normalise(
        bundle("searchset", {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1")}), "a.json"
    )
    assert asked(found) == [("DELETE", asked(held)[0][1])]


def test_the_outcome_of_a_search_is_no_part_of_the_record() -> None:
    found = normalise(
        bundle(
            "searchset",
            {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1"), "search": {"mode": "match"}},
            {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
            total=1,
            link=[],
        ),
        "a.json",
    )
    assert [entry["resource"]["resourceType"] for entry in found["entry"]] == ["Patient"]
    assert not {"total", "link"} & found.keys()
    assert "search" not in found["entry"][0]


@pytest.mark.parametrize("type", ["document", "message"])
def test_a_document_gives_all_that_it_holds(type: str) -> None:
    first = {"document": "Composition", "message": "MessageHeader"}[type]
    found = normalise(
        bundle(type, {"resource": {"resourceType": first, "id": "c"}}, {"resource": patient(id="p")}), "a"
    )
    assert asked(found) == [("PUT", f"{first}/c"), ("PUT", "Patient/p")]


def test_nothing_is_lost_on_the_way() -> None:
    resource = patient(id="p", extension=[{"url": "u", "valueDecimal": Decimal("72.50")}], unknown={"a": [1]})
    found = normalise(bundle("collection", {"resource": resource, "extension": [{"url": "e"}]}, id="b"), "a")
    assert found["entry"][0]["resource"] == resource
    assert str(found["entry"][0]["resource"]["extension"][0]["valueDecimal"]) == "72.50"
    assert found["entry"][0]["extension"] == [{"url": "e"}]
    assert found["id"] == "b"


def test_it_says_which_searches_it_needs() -> None:
    source = bundle(
        "transaction", post(ONE, observation("Patient?identifier=s|1")), post(TWO, observation(ONE))
    )
    assert needs(source) == {"Patient?identifier=s|1"}


@pytest.mark.parametrize(
    ("source", "expression"),
    [
        ([], "resourceType"),
        ({}, "resourceType"),
        ({"resourceType": 1}, "resourceType"),
        ({"resourceType": "Bundle", "entry": {}}, "Bundle.entry"),
        ({"resourceType": "Bundle", "entry": [{}, 1]}, "Bundle.entry[1]"),
        ({"resourceType": "Bundle", "entry": [{"resource": {}}]}, "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{"resource": []}]}, "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{"fullUrl": 1, "resource": patient()}]}, "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{"request": "x", "resource": patient()}]}, "Bundle.entry[0]"),
    ],
)
def test_what_is_no_bundle_is_named_with_its_place(source: Any, expression: str) -> None:
    with pytest.raises(NotMappable) as found:
        normalise(source, "a.json")
    assert found.value.expression == expression


def test_a_bundle_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    entry = {"fullUrl": f"{HOST}Patient/1", "resource": patient(id="1", extension=deep)}
    with pytest.raises(NotMappable):
        normalise(bundle("collection", entry), "a.json")

"""Transactions over HTTP: what references become, in which order things happen, and that all of it happens or nothing.

Refusals, and batches, are cases in fixtures/cases/rest/bundles.yaml. https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from fhir_server.interactions import transaction
from fhir_server.r4 import json

Json = dict[str, Any]
XHTML = "http://www.w3.org/1999/xhtml"
DRAWN = "http://example.org/drawn-by"


@pytest.fixture(autouse=True, params=[transaction.AT_ONCE, 1], ids=["at once", "entry by entry"])
def in_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that is too large to be a tree in memory is written in parts: nobody may notice."""
    monkeypatch.setattr(transaction, "AT_ONCE", request.param)


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


def post(url: str, full_url: str = "", **more: Any) -> Json:
    """An entry; `url` is `Type`, and what begins with `if` goes into the request."""
    request = {"method": "POST", "url": url, **{k: v for k, v in more.items() if k.startswith("if")}}
    kept = {k: v for k, v in more.items() if not k.startswith("if")}
    entry = {"request": request, "resource": {"resourceType": url, **kept}}
    return {"fullUrl": full_url, **entry} if full_url else entry


def put(url: str, full_url: str = "", **more: Any) -> Json:
    """An entry for `Type/id` or `Type?condition`."""
    kind, _, logical_id = url.partition("?")[0].partition("/")
    own = {"id": logical_id} if logical_id else {}
    entry = {"request": {"method": "PUT", "url": url}, "resource": {"resourceType": kind, **own, **more}}
    return {"fullUrl": full_url, **entry} if full_url else entry


def ask(method: str, url: str) -> Json:
    return {"request": {"method": method, "url": url}}


def observation(**more: Any) -> Json:
    return {"status": "final", "code": {"text": "c"}, **more}


def sent(fhir: httpx.Client, *entries: Json, kind: str = "transaction", **headers: str) -> httpx.Response:
    body = json.encode({"resourceType": "Bundle", "type": kind, "entry": entries})
    return fhir.post("/", content=body, headers={"content-type": "application/fhir+json", **headers})


def done(fhir: httpx.Client, *entries: Json, **headers: str) -> list[Json]:
    """The entries of the answer to a transaction that goes in."""
    answer = sent(fhir, *entries, **headers)
    assert answer.status_code == 200, answer.text
    found = json.decode_object(answer.content)
    assert found["type"] == "transaction-response"
    return list(found["entry"])


def place(entry: Json) -> str:
    """`Type/id` of a response's location."""
    return str(entry["response"]["location"]).partition("/_history")[0]


def count(fhir: httpx.Client, search: str) -> int:
    return int(fhir.get(f"/{search}").json()["total"])


def test_references_to_a_full_url_become_the_new_address_wherever_they_stand(fhir: httpx.Client) -> None:
    patient, practitioner, group = urn(), urn(), urn()
    rows = done(
        fhir,
        post(
            "Observation",
            **observation(
                subject={"reference": patient},
                performer=[{"reference": "#me"}, {"reference": practitioner, "display": practitioner}],
                contained=[
                    {
                        "resourceType": "PractitionerRole",
                        "id": "me",
                        "practitioner": {"reference": practitioner},
                        "text": {
                            "status": "generated",
                            "div": f'<div xmlns="{XHTML}"><a href="{practitioner}">b</a></div>',
                        },
                    }
                ],
                extension=[
                    {"url": DRAWN, "valueReference": {"reference": practitioner}},
                    {"url": DRAWN, "valueUri": practitioner},
                    {"url": DRAWN, "valueString": practitioner},
                    {"url": DRAWN, "extension": [{"url": DRAWN, "valueCanonical": group}]},
                ],
                identifier=[{"system": "urn:ietf:rfc:3986", "value": patient}],
                text={"status": "generated", "div": f'<div xmlns="{XHTML}"><a href="{patient}">b</a></div>'},
            ),
        ),
        put("Group/g", group, type="person", actual=True, member=[{"entity": {"reference": patient}}]),
        post("Patient", patient, generalPractitioner=[{"reference": practitioner}]),
        post("Practitioner", practitioner),
    )
    new = {patient: place(rows[2]), practitioner: place(rows[3])}
    found = fhir.get("/" + place(rows[0])).json()
    assert found["subject"]["reference"] == new[patient]
    assert found["performer"][0]["reference"] == "#me"
    assert found["performer"][1] == {"reference": new[practitioner], "display": practitioner}
    assert found["contained"][0]["practitioner"]["reference"] == new[practitioner]
    assert f'href="{new[practitioner]}"' in found["contained"][0]["text"]["div"]
    assert found["extension"][0]["valueReference"]["reference"] == new[practitioner]
    assert found["extension"][1]["valueUri"] == new[practitioner]
    assert found["extension"][2]["valueString"] == practitioner
    assert found["extension"][3]["extension"][0]["valueCanonical"] == "Group/g"
    assert found["identifier"][0]["value"] == patient
    assert f'href="{new[patient]}"' in found["text"]["div"]
    group_found = fhir.get("/Group/g").json()
    assert group_found["member"][0]["entity"]["reference"] == new[patient]
    assert count(fhir, f"Observation?subject={new[patient]}") == 1


def test_full_urls_of_other_servers_are_replaced_absolute_and_relative(fhir: httpx.Client) -> None:
    rows = done(
        fhir,
        post("Patient", "http://other.example/fhir/Patient/7"),
        post("Observation", **observation(subject={"reference": "http://other.example/fhir/Patient/7"})),
        post("Observation", **observation(subject={"reference": "Patient/7"})),
        post("Observation", **observation(subject={"reference": "http://other.example/fhir/Patient/8"})),
    )
    subjects = [fhir.get("/" + place(row)).json()["subject"]["reference"] for row in rows[1:]]
    assert subjects == [place(rows[0]), place(rows[0]), "http://other.example/fhir/Patient/8"]


def test_a_narrative_link_by_full_url_becomes_the_new_address(fhir: httpx.Client) -> None:
    url = "http://other.example/fhir/Patient/7"
    text = {"status": "generated", "div": f'<div xmlns="{XHTML}"><a href="{url}">p</a> {url}</div>'}
    rows = done(fhir, post("Patient", url), post("Observation", **observation(text=text)))
    div = fhir.get("/" + place(rows[1])).json()["text"]["div"]
    assert div == f'<div xmlns="{XHTML}"><a href="{place(rows[0])}">p</a> {url}</div>'


def test_a_conditional_reference_becomes_the_address_of_its_only_match(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/known", identifier=[{"system": "http://a", "value": "1"}], active=True))
    asked = [
        "Patient?identifier=http://a|1",
        "Patient?identifier=http://a|1&active=true",
        "Patient?_id=known",
    ]
    rows = done(fhir, *(post("Observation", **observation(subject={"reference": text})) for text in asked))
    found = [fhir.get("/" + place(row)).json()["subject"]["reference"] for row in rows]
    assert found == ["Patient/known"] * 3


def test_a_create_with_if_none_exist_gives_its_match_and_references_go_there(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/known", identifier=[{"value": "1"}]))
    patient = urn()
    rows = done(
        fhir,
        post("Patient", patient, ifNoneExist="identifier=1", active=True),
        post("Observation", **observation(subject={"reference": patient})),
    )
    assert rows[0]["response"]["status"] == "200 OK"
    assert place(rows[0]) == "Patient/known"
    assert fhir.get("/" + place(rows[1])).json()["subject"]["reference"] == "Patient/known"
    assert "active" not in fhir.get("/Patient/known").json()


def test_the_same_if_none_exist_twice_makes_one_resource_that_both_mean(fhir: httpx.Client) -> None:
    first, second = urn(), urn()
    rows = done(
        fhir,
        post("Patient", first, ifNoneExist="identifier=1", identifier=[{"value": "1"}]),
        post("Patient", second, ifNoneExist="identifier=1", identifier=[{"value": "1"}]),
        post("Observation", **observation(subject={"reference": second})),
    )
    assert [row["response"]["status"] for row in rows] == ["201 Created", "200 OK", "201 Created"]
    assert place(rows[0]) == place(rows[1])
    assert fhir.get("/" + place(rows[2])).json()["subject"]["reference"] == place(rows[0])
    assert count(fhir, "Patient?identifier=1") == 1


def test_deletes_come_first_then_creates_then_updates_and_reads_last(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/old", identifier=[{"value": "1"}]), put("Patient/kept", active=True))
    rows = done(
        fhir,
        ask("GET", "Patient?identifier=1"),
        ask("GET", "Patient/kept"),
        put("Patient/kept", active=False),
        post("Patient", ifNoneExist="identifier=1", identifier=[{"value": "1"}]),
        ask("DELETE", "Patient/old"),
    )
    assert [row["response"]["status"][:3] for row in rows] == ["200", "200", "200", "201", "204"]
    assert [entry["fullUrl"] for entry in rows[0]["resource"]["entry"]] == [
        f"{fhir.base_url}{place(rows[3])}"
    ]
    assert rows[1]["resource"]["active"] is False
    assert fhir.get("/Patient/old").status_code == 410


def test_the_answer_says_of_each_entry_what_came_of_it(fhir: httpx.Client) -> None:
    rows = done(fhir, put("Patient/a", active=True), post("Patient"))
    said = rows[0]["response"]
    assert said["status"] == "201 Created"
    assert said["location"] == "Patient/a/_history/1"
    assert said["etag"] == 'W/"1"'
    assert said["lastModified"] == fhir.get("/Patient/a").json()["meta"]["lastUpdated"]
    assert "resource" not in rows[0]
    shown = done(fhir, put("Patient/a", active=False), prefer="return=representation")
    assert shown[0]["resource"]["active"] is False
    told = done(fhir, put("Patient/a", active=True), prefer="return=OperationOutcome")
    assert told[0]["response"]["outcome"]["issue"][0]["severity"] == "information"


def test_updates_with_if_match_go_in_where_the_version_is_current(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/a", active=True))
    entry = put("Patient/a", active=False)
    entry["request"]["ifMatch"] = 'W/"1"'
    assert done(fhir, entry)[0]["response"]["etag"] == 'W/"2"'
    assert sent(fhir, entry).status_code == 412


def test_conditional_updates_create_or_update_their_match(fhir: httpx.Client) -> None:
    patient = urn()
    entries = (
        put("Patient?identifier=1", patient, identifier=[{"value": "1"}]),
        post("Observation", **observation(subject={"reference": patient})),
    )
    first, second = done(fhir, *entries), done(fhir, *entries)
    assert [first[0]["response"]["status"], second[0]["response"]["status"]] == ["201 Created", "200 OK"]
    assert place(first[0]) == place(second[0])
    assert count(fhir, f"Observation?subject={place(first[0])}") == 2


def test_patches_are_part_of_a_transaction(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/a", active=True))
    practitioner = urn()
    value = {"name": "value", "valueReference": {"reference": practitioner}}
    parts = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "generalPractitioner"},
        value,
    ]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    rows = done(fhir, {**ask("PATCH", "Patient/a"), "resource": change}, post("Practitioner", practitioner))
    found = fhir.get("/Patient/a").json()
    assert found["generalPractitioner"] == [{"reference": place(rows[1])}]
    assert found["meta"]["versionId"] == "2"


def test_a_transaction_that_fails_leaves_nothing_behind(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/a", active=True), put("Patient/b", active=True))
    before = count(fhir, "_history?_count=1000")
    patient = urn()
    answer = sent(
        fhir,
        ask("DELETE", "Patient/a"),
        put("Patient/b", active=False),
        post("Patient", patient),
        post(
            "Observation",
            **observation(subject={"reference": patient}, component=[{"valueString": "no code"}]),
        ),
    )
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[3].resource.component[0].code"]
    assert count(fhir, "_history?_count=1000") == before
    assert fhir.get("/Patient/a").status_code == 200
    assert fhir.get("/Patient/b").json()["active"] is True


def test_a_batch_keeps_what_went_well(fhir: httpx.Client) -> None:
    answer = sent(
        fhir, put("Patient/a", active=True), put("Patient/b", colour="red"), put("Patient/c"), kind="batch"
    )
    assert [e["response"]["status"][:3] for e in answer.json()["entry"]] == ["201", "422", "201"]
    assert [fhir.get(f"/Patient/{x}").status_code for x in "abc"] == [200, 404, 200]


def test_a_transaction_in_xml_is_answered_in_xml(fhir: httpx.Client) -> None:
    body = (
        '<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry><resource><Patient><id value="x"/>'
        '</Patient></resource><request><method value="PUT"/><url value="Patient/x"/></request></entry></Bundle>'
    )
    xml = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}
    answer = fhir.post("/", content=body, headers=xml)
    assert answer.status_code == 200, answer.text
    assert '<status value="201 Created"/>' in answer.text


def test_a_transaction_of_thousands_of_entries_goes_in(fhir: httpx.Client) -> None:
    patient = urn()
    many = [post("Observation", **observation(subject={"reference": patient})) for _ in range(2999)]
    rows = done(fhir, *many, post("Patient", patient))
    assert len(rows) == 3000
    assert count(fhir, f"Observation?subject={place(rows[-1])}&_total=accurate&_count=1") == 2999


def test_an_entry_with_head_is_answered_without_the_resource(fhir: httpx.Client) -> None:
    done(fhir, put("Patient/a", active=True))
    (told,) = done(fhir, ask("HEAD", "Patient/a"))
    assert told.keys() == {"response"}
    assert told["response"]["etag"] == 'W/"1"'

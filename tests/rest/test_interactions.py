"""What a case in fixtures/cases/rest cannot say in a line: histories page by page, limits, and headers that follow from each other.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
import zstandard

from fhir_server.r4 import json
from tests.rest.expecting import outcome_problem
from tests.serving import serving

Json = dict[str, Any]
VERSIONS = 5


def patient(fhir: httpx.Client, logical_id: str, **more: Any) -> httpx.Response:
    return fhir.put(f"/Patient/{logical_id}", json={"resourceType": "Patient", "id": logical_id, **more})


def told(fhir: httpx.Client, versions: int = VERSIONS) -> None:
    """Two patients with so many versions each; the second one is deleted at last."""
    for number in range(versions):
        for name in ("a", "b"):
            patient(fhir, name, name=[{"family": f"Version {number}"}])
    fhir.delete("/Patient/b")


def entries(answer: httpx.Response) -> list[Json]:
    assert answer.status_code == 200, answer.text
    return list(answer.json().get("entry", ()))


def labels(answer: httpx.Response) -> list[str]:
    """`Patient/a 3 PUT`, for each entry of a history."""
    found = []
    for entry in entries(answer):
        version = entry["response"]["etag"][3:-1]
        found.append(f"{entry['fullUrl'].partition('/fhir/')[2]} {version} {entry['request']['method']}")
    return found


def pages(fhir: httpx.Client, url: str) -> list[httpx.Response]:
    """The page, and all that its next links lead to."""
    found = []
    while url:
        found.append(fhir.get(url))
        links = {link["relation"]: link["url"] for link in found[-1].json()["link"]}
        url = links.get("next", "")
    return found


def test_the_history_of_an_instance_is_newest_first_and_whole(fhir: httpx.Client) -> None:
    told(fhir)
    found = fhir.get("/Patient/b/_history")
    assert labels(found) == [
        "Patient/b 6 DELETE",
        *(f"Patient/b {n} PUT" for n in (5, 4, 3, 2)),
        "Patient/b 1 POST",
    ]
    assert found.json()["type"] == "history"
    assert found.json()["total"] == VERSIONS + 1
    deleted, *kept = entries(found)
    assert "resource" not in deleted
    assert [entry["resource"]["meta"]["versionId"] for entry in kept] == ["5", "4", "3", "2", "1"]
    assert all(e["response"]["lastModified"] == e["resource"]["meta"]["lastUpdated"] for e in kept)


@pytest.mark.parametrize("path", ["Patient/_history", "_history", "Patient/a/_history"])
def test_a_history_paged_by_any_count_is_the_same_history(fhir: httpx.Client, path: str) -> None:
    told(fhir)
    whole = labels(fhir.get(f"/{path}?_count=1000"))
    assert len(whole) >= VERSIONS
    for count in (1, 2, 3, len(whole)):
        found = pages(fhir, f"/{path}?_count={count}")
        assert [label for page in found for label in labels(page)] == whole
        assert all(len(labels(page)) <= count for page in found)


def test_a_history_of_a_type_leaves_out_other_types_and_that_of_the_system_does_not(
    fhir: httpx.Client,
) -> None:
    told(fhir, 1)
    fhir.put("/Basic/x", json={"resourceType": "Basic", "id": "x", "code": {"text": "c"}})
    assert {label.split("/")[0] for label in labels(fhir.get("/Patient/_history"))} == {"Patient"}
    assert "Basic/x 1 POST" in labels(fhir.get("/_history"))


def test_since_gives_what_changed_at_that_time_or_later(fhir: httpx.Client) -> None:
    told(fhir)
    third = fhir.get("/Patient/a/_history/3").json()["meta"]["lastUpdated"]
    found = labels(fhir.get("/Patient/a/_history", params={"_since": third}))
    assert found == [f"Patient/a {n} PUT" for n in (5, 4, 3)]
    assert labels(fhir.get("/Patient/a/_history", params={"_since": "2999-01-01T00:00:00Z"})) == []


def test_a_history_can_be_read_oldest_first(fhir: httpx.Client) -> None:
    told(fhir)
    found = pages(fhir, "/Patient/a/_history?_sort=_lastUpdated&_count=2")
    assert [label.split()[1] for page in found for label in labels(page)] == ["1", "2", "3", "4", "5"]


def test_at_gives_the_version_that_was_current_then(fhir: httpx.Client) -> None:
    told(fhir)
    third = fhir.get("/Patient/a/_history/3").json()["meta"]["lastUpdated"]
    assert labels(fhir.get("/Patient/a/_history", params={"_at": third}))[-1].startswith("Patient/a 3")


def test_a_search_paged_by_next_links_gives_each_match_once(fhir: httpx.Client) -> None:
    for number in range(7):
        patient(fhir, f"p{number}", name=[{"family": f"Name {number % 3}"}])
    for sort in ("", "&_sort=family", "&_sort=-family", "&_sort=-_lastUpdated", "&_sort=_id"):
        found = pages(fhir, f"/Patient?_count=3{sort}")
        ids = [entry["resource"]["id"] for page in found for entry in entries(page)]
        assert sorted(ids) == [f"p{n}" for n in range(7)]
        assert [len(entries(page)) for page in found] == [3, 3, 1]


def test_the_headers_of_a_write_are_those_of_the_read_that_follows(fhir: httpx.Client) -> None:
    made = fhir.post("/Patient", json={"resourceType": "Patient"})
    location = made.headers["location"]
    assert location.startswith(str(fhir.base_url))
    read = fhir.get(location)
    assert read.json() == made.json()
    for name in ("etag", "last-modified"):
        assert read.headers[name] == made.headers[name]
    assert parsedate_to_datetime(read.headers["last-modified"]).tzinfo is not None
    unchanged = {"if-modified-since": read.headers["last-modified"]}
    assert fhir.get(location.partition("/_history")[0], headers=unchanged).status_code == 304


def test_head_has_the_headers_of_get(fhir: httpx.Client) -> None:
    patient(fhir, "a", active=True)
    for path in ("/Patient/a", "/Patient?_id=a", "/Patient/never", "/Patient/a/_history"):
        got, head = fhir.get(path), fhir.head(path)
        assert head.status_code == got.status_code
        assert head.content == b""
        for name in ("etag", "last-modified", "content-type"):
            assert head.headers.get(name) == got.headers.get(name)


def test_a_body_over_the_limit_is_refused_before_it_is_read(dsn: str) -> None:
    with serving(dsn, max_body=1000) as running, running.client() as fhir:
        long = {"resourceType": "Patient", "name": [{"family": "x" * 2000}]}
        packed = {"content-type": "application/fhir+json", "content-encoding": "gzip"}
        refused = [
            fhir.post("/Patient", json=long),
            fhir.post("/", json=long),
            fhir.post(
                "/Patient", content=iter([json.encode(long)]), headers={"content-type": "application/json"}
            ),
            fhir.post("/Patient", content=gzip.compress(json.encode(long)), headers=packed),
            fhir.post(
                "/Patient",
                content=zstandard.compress(json.encode(long)),
                headers=packed | {"content-encoding": "zstd"},
            ),
        ]
        assert [answer.status_code for answer in refused] == [413] * 5
        assert [outcome_problem(answer) for answer in refused] == [""] * 5
        assert "CHARTLINE_MAX_BODY" in refused[0].text
        assert fhir.post("/Patient", json={"resourceType": "Patient"}).status_code == 201


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_a_packed_body_is_unpacked_and_one_that_is_not_packed_is_refused(
    fhir: httpx.Client, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    headers = {"content-type": "application/fhir+json", "content-encoding": coding}
    body = json.encode({"resourceType": "Patient", "active": True})
    assert fhir.post("/Patient", content=pack(body), headers=headers).json()["active"] is True
    for wrong in (body, pack(body)[:-12], b""):
        assert fhir.post("/Patient", content=wrong, headers=headers).status_code == 400
    headers["content-encoding"] = "br"
    assert fhir.post("/Patient", content=body, headers=headers).status_code == 415


def test_a_long_answer_is_packed_for_who_can_unpack_it(fhir: httpx.Client) -> None:
    patient(fhir, "a", name=[{"family": "x" * 5000}])
    plain = fhir.get("/Patient/a", headers={"accept-encoding": "identity"})
    packed = fhir.get("/Patient/a", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    refused = fhir.get("/Patient/a", headers={"accept-encoding": "gzip;q=0, zstd;q=0"})
    assert "content-encoding" not in refused.headers


def test_a_resource_nested_without_end_is_refused(fhir: httpx.Client) -> None:
    deep = '{"url": "http://x", "extension": [' * 3000 + "{}" + "]}" * 3000
    body = f'{{"resourceType": "Patient", "extension": [{deep}]}}'
    answer = fhir.post("/Patient", content=body, headers={"content-type": "application/fhir+json"})
    assert answer.status_code in (400, 422)
    assert outcome_problem(answer) == ""


def test_addresses_outside_fhir_answer_with_an_outcome_too(fhir: httpx.Client) -> None:
    root = str(fhir.base_url).removesuffix("/fhir/")
    for method, url in (
        ("GET", f"{root}/nowhere"),
        ("DELETE", f"{root}/healthz"),
        ("TRACE", f"{root}/fhir/Patient"),
    ):
        answer = fhir.request(method, url)
        assert answer.status_code in (404, 405)
        assert outcome_problem(answer) == ""
        assert answer.status_code == 404 or answer.headers["allow"]

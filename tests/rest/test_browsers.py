"""What a browser app needs of HTTP: CORS, compressed answers, HEAD at every address, and request ids that it can read.

https://fetch.spec.whatwg.org/#http-cors-protocol and https://hl7.org/fhir/R4/http.html#head
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

import httpx
import pytest
import zstandard

from tests.service import context_of, put
from tests.serving import Running, serving

APP = "https://app.example.org"
SENDING = {"origin": APP, "access-control-request-method": "PUT"}


def test_an_app_of_a_named_origin_may_call_and_read_the_headers(dsn: str) -> None:
    with serving(dsn, cors_origins=f"{APP}, https://other.example.org") as running, running.client() as fhir:
        asked = fhir.options(
            "/Patient/a", headers={**SENDING, "access-control-request-headers": "if-match, content-type"}
        )
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == APP
        assert "PUT" in asked.headers["access-control-allow-methods"]
        assert "if-match" in asked.headers["access-control-allow-headers"]
        found = fhir.get("/Patient/never", headers={"origin": APP})
        assert found.status_code == 404
        assert found.headers["access-control-allow-origin"] == APP
        assert "Origin" in found.headers["vary"]
        shown = {name.strip() for name in found.headers["access-control-expose-headers"].split(",")}
        assert {"ETag", "Location", "Last-Modified", "Link", "X-Request-Id"} <= shown


def test_an_app_of_another_origin_is_not_let_in(dsn: str) -> None:
    with serving(dsn, cors_origins=APP) as running, running.client() as fhir:
        strange = {**SENDING, "origin": "https://evil.example.org"}
        assert fhir.options("/Patient/a", headers=strange).status_code == 400
        found = fhir.get("/Patient?_count=1", headers={"origin": "https://evil.example.org"})
        assert "access-control-allow-origin" not in found.headers


def test_without_the_setting_no_origin_is_let_in(fhir: httpx.Client) -> None:
    assert "access-control-allow-origin" not in fhir.get("/metadata", headers={"origin": APP}).headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("br", None),
        ("identity", None),
    ],
)
def test_long_answers_come_compressed_as_the_client_can_read_them(
    fhir: httpx.Client, accepted: str, coding: str | None
) -> None:
    with fhir.stream("GET", "/metadata", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == coding
        assert "Accept-Encoding" in answer.headers["vary"]
    unpack: dict[str | None, Callable[[bytes], bytes]] = {
        None: bytes,
        "gzip": gzip.decompress,
        "zstd": _unzstd,
    }
    plain = unpack[coding](raw)
    assert plain.startswith(b'{"resourceType":"CapabilityStatement"')
    assert len(plain) > 100_000


@pytest.mark.parametrize(
    "path", ["healthz", "readyz", "metrics", "docs", "fhir/.well-known/smart-configuration"]
)
def test_head_is_answered_where_get_is(server: Running, path: str) -> None:
    base = server.base.removesuffix("/fhir")
    got, head = httpx.get(f"{base}/{path}"), httpx.head(f"{base}/{path}")
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_head_says_the_length_that_get_would_have(server: Running, fhir: httpx.Client) -> None:
    put(context_of(server.service), {"Patient/a": {"active": True}})
    for path in (
        "/Patient/a",
        "/Patient/a/_history/1",
        "/Patient/a/_history",
        "/Patient?_id=a",
        "/Patient/a/$meta",
    ):
        got = fhir.get(path, headers={"accept-encoding": "identity"})
        head = fhir.head(path, headers={"accept-encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content)), path


def test_a_request_id_that_could_forge_a_header_is_not_taken_over(fhir: httpx.Client) -> None:
    for given in ("x" * 65, "é", "a\tb"):
        found = fhir.get("/Patient/never", headers=[(b"x-request-id", given.encode("latin-1"))])
        assert found.headers["x-request-id"] not in (given, "")


def _unzstd(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=10_000_000)

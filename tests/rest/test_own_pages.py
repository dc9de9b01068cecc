"""Pages of other sites, and scripts of other hosts, get nothing: not by a name that leads here, not by the page of the API."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.serving import Running, serving


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example",
        "",
        "[::1",
        "localhost.evil.example:{port}",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_that_calls_this_machine_by_its_own_name_is_no_page_of_ours(
    server: Running, host: str, method: str
) -> None:
    """DNS rebinding: to the browser the page and the server are one site. https://owasp.org/www-community/attacks/DNS_Rebinding"""
    named = host.format(port=httpx.URL(server.base).port)
    with server.client(
        headers={"host": named, "origin": f"http://{named}"} if named else {"host": ""}
    ) as client:
        answer = client.request(
            method, "/Patient", json={"resourceType": "Patient"} if method == "POST" else None
        )
    assert answer.status_code in (400, 403)
    assert "Bundle" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "localhost", "[::1]:{port}"])
def test_its_own_names_count(server: Running, host: str) -> None:
    with server.client(headers={"host": host.format(port=httpx.URL(server.base).port)}) as client:
        assert client.get("/Patient").status_code == 200


def test_the_address_of_the_settings_counts(dsn: str) -> None:
    with (
        serving(dsn, base_url="https://try.example") as running,
        running.client(headers={"host": "try.example"}) as client,
    ):
        assert client.get("/Patient").status_code == 200


def test_the_page_of_the_api_loads_and_runs_nothing(server: Running) -> None:
    answer = httpx.get(server.base.removesuffix("/fhir") + "/docs")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|<link|<style|https?://| on\w+=", answer.text)
    assert "/fhir/{type}/{id}" in answer.text

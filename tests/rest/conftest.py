"""A running server: uvicorn in a thread, on a port that was free, on a test's own database; and an httpx client of its /fhir.

Clients see real HTTP: headers, methods and bodies as they go over the wire.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.serving import Running, serving


@pytest.fixture
def server(dsn: str) -> Iterator[Running]:
    """The server of this test, without sign-in."""
    with serving(dsn) as running:
        yield running


@pytest.fixture
def fhir(server: Running) -> Iterator[httpx.Client]:
    """A client whose addresses start at /fhir."""
    with server.client() as client:
        yield client

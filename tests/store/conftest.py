"""A server that looks for new definitions and code systems at every question."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fhir_server.interactions.context import Context, Service
from fhir_server.store import packages
from tests.service import context_of, service_on


@pytest.fixture
def service(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Without the AI layer, open to everybody."""
    monkeypatch.setattr(packages, "CHECKED_EVERY", 0)
    made = service_on(dsn, auth="off")
    yield made
    made.database.close()


@pytest.fixture
def context(service: Service) -> Context:
    """The system's Context."""
    return context_of(service)

"""What the evals share: the demo patients in a store of their own, their resources to compare with, and the table of figures."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from ai_layer.app import make_service
from fhir_server.ingest import ingest
from fhir_server.interactions.context import Context
from fhir_server.r4 import json
from fhir_server.settings import Settings
from fixtures import demo, scheduling
from mappings.source import Kind, Source
from tests.conftest import new_database
from tests.evals.figures import Figures
from tests.service import context_of

NOW = datetime(2025, 11, 3, 9, tzinfo=UTC)
"""The day after the fixtures' records end."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """The demo patients, loaded; `resources` are each one's, by the key of the patient."""

    context: Context
    ids: dict[str, str]
    resources: dict[str, list[Json]]


@pytest.fixture(scope="session")
def records(postgres: str, template: str) -> Iterator[Records]:
    """All demo patients, as committed."""
    with new_database(postgres, template) as name:
        service = make_service(Settings(pool=4, consent="opt-out"), make_conninfo(postgres, dbname=name))
        service.clock = lambda: NOW
        context = context_of(service)
        clinic = json.encode(scheduling.bundle(NOW))
        for file, body in [("scheduling", clinic), *demo.patients()]:
            assert ingest(context, Source(file, Kind.JSON, body)).status != "failed"
        yield Records(
            context, {p.key: p.id for p in demo.DEMO}, {p.key: _resources(p.key) for p in demo.DEMO}
        )
        service.database.close()


def _resources(key: str) -> list[Json]:
    body = files("fixtures").joinpath("patients", f"{key}.json.gz").read_bytes()
    return [entry["resource"] for entry in json.decode_object(gzip.decompress(body))["entry"]]


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """The table; it is printed when the last eval is done."""
    found = Figures()
    yield found
    found.show()

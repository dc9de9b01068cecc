"""Laws of storing: what goes in comes out, versions grow by one, and a transaction is all or nothing.

https://hl7.org/fhir/R4/http.html#create, #versioning and #trules
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fhir_server.interactions.bundle import process
from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.interactions.read import read, vread
from fhir_server.interactions.update import update
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from tests.service import context_of, service_on

Json = dict[str, Any]
INDEXES = ("token", "reference", "date", "string", "uri", "quantity", "composite")
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

texts = some.text(some.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    lambda text: text == text.strip() and text != ""
)
decimals = some.decimals(-9999, 9999, places=3, allow_nan=False) | some.decimals(0, 9, places=1)
names = some.fixed_dictionaries(
    {"family": texts}, optional={"given": some.lists(texts, min_size=1, max_size=2)}
)
quantities = some.fixed_dictionaries({"value": decimals}, optional={"unit": texts})
extensions = some.fixed_dictionaries({"url": some.just("http://example.org/x"), "valueString": texts})
patients: some.SearchStrategy[Json] = some.fixed_dictionaries(
    {"resourceType": some.just("Patient")},
    optional={
        "name": some.lists(names, min_size=1, max_size=2),
        "active": some.booleans(),
        "birthDate": some.dates().map(str),
        "extension": some.lists(extensions, min_size=1, max_size=2),
        "meta": some.fixed_dictionaries(
            {"tag": some.lists(some.builds(dict, code=texts), min_size=1, max_size=2)}
        ),
    },
)
observations: some.SearchStrategy[Json] = some.fixed_dictionaries(
    {
        "resourceType": some.just("Observation"),
        "status": some.sampled_from(["final", "amended"]),
        "code": some.builds(dict, text=texts),
        "valueQuantity": quantities,
    },
    optional={"note": some.lists(some.builds(dict, text=texts), min_size=1, max_size=2)},
)
resources = patients | observations


@pytest.fixture
def context(dsn: str) -> Any:
    """The system's Context on a database of this test's own."""
    service = service_on(dsn)
    yield context_of(service)
    service.database.close()


@few
@given(resource=resources)
def test_what_was_created_is_read_again_byte_by_byte_apart_from_id_and_meta(
    context: Context, resource: Json
) -> None:
    sent = kept(resource)
    made = create(context, resource["resourceType"], resource)
    found = read(context, made.type, made.id)
    assert found.body == made.body
    assert kept(json.decode_object(found.body or b"")) == sent


@few
@given(contents=some.lists(patients, min_size=1, max_size=6))
def test_each_change_is_one_version_more_and_every_version_stays(
    context: Context, contents: list[Json]
) -> None:
    name = context.service.new_id()
    seen: list[bytes] = []
    for content in contents:
        wanted = kept(content)
        result = update(context, "Patient", name, {**content, "id": name})
        seen += [wanted] if not seen or wanted != seen[-1] else []
        assert result.version == len(seen)
    versions = [vread(context, "Patient", name, str(n + 1)).body or b"" for n in range(len(seen))]
    assert [kept(json.decode_object(body)) for body in versions] == seen


@few
@given(good=some.lists(resources, min_size=1, max_size=5), data=some.data())
def test_one_bad_entry_anywhere_leaves_nothing_of_the_transaction(
    context: Context, good: list[Json], data: some.DataObject
) -> None:
    before = rows(context)
    bad = data.draw(some.sampled_from(BAD))
    place = data.draw(some.integers(0, len(good)))
    entries = [posted(resource) for resource in good]
    entries.insert(place, bad)
    with pytest.raises(FhirError) as refused:
        process(context, transaction(entries))
    assert refused.value.issues[0].expression.startswith(f"Bundle.entry[{place}]")
    assert rows(context) == before


@few
@given(
    entries=some.lists(resources.map(lambda found: posted(found)), min_size=1, max_size=4),
    fails_at=some.integers(1, 12),
)
def test_a_failure_at_any_statement_leaves_nothing_of_the_transaction(
    context: Context, entries: list[Json], fails_at: int
) -> None:
    before, count = rows(context), 0

    def failing() -> None:
        nonlocal count
        count += 1
        if count == fails_at:
            raise Injected

    with pytest.MonkeyPatch.context() as patch:
        _before_each_statement(patch, failing)
        try:
            process(context, transaction(entries))
            is_in = True
        except Injected:
            is_in = False
    assert (rows(context) > before) is is_in


def _before_each_statement(patch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    for method in ("execute", "cursor"):
        real = getattr(psycopg.Connection, method)

        def wrapped(connection: Any, *arguments: Any, _real: Any = real, **more: Any) -> Any:
            act()
            return _real(connection, *arguments, **more)

        patch.setattr(psycopg.Connection, method, wrapped)


class Injected(Exception):
    """What the test makes a statement fail with."""


def posted(resource: Json) -> Json:
    return {"request": {"method": "POST", "url": resource["resourceType"]}, "resource": resource}


BAD: list[Json] = [
    posted({"resourceType": "Patient", "colour": "red"}),
    posted({"resourceType": "Observation", "status": "final"}),
    {**posted({"resourceType": "Patient"}), "request": {"method": "POST", "url": "Observation"}},
    {"request": {"method": "GET", "url": "Patient/nobody"}},
    {"request": {"method": "POST", "url": "Patient"}},
    {
        "request": {"method": "PUT", "url": "Patient/x", "ifMatch": 'W/"7"'},
        "resource": {"resourceType": "Patient", "id": "x"},
    },
    posted(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "c"},
            "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"},
        }
    ),
]


def transaction(entries: list[Json]) -> bytes:
    return json.encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def kept(resource: Json) -> bytes:
    """The content without what the server itself says."""
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    rest = {k: v for k, v in resource.items() if k not in ("id", "meta")}
    return json.encode_sorted({**rest, **({"meta": meta} if meta else {})})


def rows(context: Context) -> int:
    """How many resources there are, known by reference or stored, with their index rows and earlier versions."""
    tables = ("resource", "history", "compartment", *(f"{name}_index" for name in INDEXES))
    every = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    with context.connect() as connection:
        row = connection.execute(f"SELECT {every}".encode()).fetchone()
    assert row is not None
    return int(row[0])

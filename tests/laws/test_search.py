"""The law of search: what one SQL statement finds is what looking at every resource finds, in order, page by page.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as some

from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.store.write import Write
from tests.laws import oracle
from tests.laws.searches import BASE, Pair, Search, searches, worlds
from tests.service import NOW, context_of, put, service_on

Json = dict[str, Any]
EXAMPLES, SEARCHES = 300, 12
often = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture
def context(dsn: str) -> Any:
    service = service_on(dsn)
    yield context_of(service)
    service.database.close()


def test_one_statement_finds_what_a_look_at_every_resource_finds(context: Context) -> None:
    @often
    @given(world=worlds, asked=some.lists(searches(), min_size=SEARCHES, max_size=SEARCHES))
    def holds(world: dict[str, Json], asked: list[Search]) -> None:
        put(context, world)
        try:
            every = oracle.World({name: known(name, r) for name, r in world.items()}, NOW, BASE)
            for found in asked:
                note(str(found))
                check(context, every, found)
        finally:
            put_away(context, world)

    holds()


def known(name: str, elements: Json) -> Json:
    """The resource as the server has it."""
    kind, _, logical_id = name.partition("/")
    meta = {**elements.get("meta", {}), "lastUpdated": NOW.isoformat()}
    return {**elements, "resourceType": kind, "id": logical_id, "meta": meta}


def put_away(context: Context, world: dict[str, Json]) -> None:
    names = [name.split("/") for name in world]
    with context.connect() as connection:
        context.apply(connection, [Write(kind, key, None) for kind, key in names])


def check(context: Context, world: oracle.World, asked: Search) -> None:
    kind, pairs, sort, count = asked
    expected = oracle.search(world, (kind,), pairs)
    order = [("_sort", ",".join(sort))] if sort else []
    found, total = walk(context, kind, [*pairs, *order, ("_count", str(count)), ("_total", "accurate")])
    assert sorted(found) == sorted(expected)
    assert total == len(expected)
    assert is_sorted([world.resources[name] for name in found], sort)


def walk(context: Context, kind: str, pairs: list[Pair]) -> tuple[list[str], int]:
    """Type/id of all matches over all pages, and the total of the first one."""
    found: list[str] = []
    totals = []
    while pairs:
        bundle = json.decode_object(search(context, kind, pairs).body or b"")
        totals.append(bundle.get("total", -1))
        found += [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle.get("entry", ())]
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        pairs = parse_qsl(urlsplit(following[0]).query) if following else []
    return found, totals[0]


def is_sorted(resources: list[Json], sort: tuple[str, ...]) -> bool:
    """Each key decides where those before it are equal; what has no value comes last."""
    pairs = pairwise(resources)
    return all(
        not any(sign) or next(s for s in sign if s) < 0 for sign in (signs(a, b, sort) for a, b in pairs)
    )


def signs(one: Json, other: Json, sort: tuple[str, ...]) -> list[int]:
    """For each key -1 where `one` comes first, 1 where the other one does, 0 where they are equal."""
    return [sign(one, other, key.removeprefix("-"), descending=key.startswith("-")) for key in sort]


def sign(one: Json, other: Json, code: str, *, descending: bool) -> int:
    a, b = (oracle.sort_key(r, code, descending=descending) for r in (one, other))
    if a is None or b is None:
        return (a is None) - (b is None)
    return (1 if a > b else -1 if a < b else 0) * (-1 if descending else 1)

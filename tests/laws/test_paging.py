"""Laws of paging: the pages together are the whole result, forwards and backwards, whatever others write meanwhile.

https://hl7.org/fhir/R4/http.html#paging and https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.search import page
from tests.service import context_of, ids, put, service_on

Json = dict[str, Any]
some_time = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
names = some.sampled_from(["Adams", "adams", "Brown", "Çelik", "O'Hara"])
days = some.sampled_from(["1970", "1970-05", "1970-05-01", "1999-12-31"])
patients: some.SearchStrategy[Json] = some.fixed_dictionaries(
    {},
    optional={
        "name": some.lists(some.builds(dict, family=names), min_size=1, max_size=2),
        "birthDate": days,
        "active": some.booleans(),
    },
)
sorts = some.lists(
    some.sampled_from(["birthdate", "family", "active", "_id", "_lastUpdated"]), max_size=3, unique=True
).flatmap(lambda keys: some.tuples(*(some.sampled_from([key, f"-{key}"]) for key in keys)))


@pytest.fixture
def context(dsn: str) -> Any:
    """The system's Context on a database of this test's own."""
    service = service_on(dsn)
    yield context_of(service)
    service.database.close()


@some_time
@given(
    there=some.lists(patients, max_size=9),
    later=some.lists(patients, max_size=6),
    sort=sorts,
    count=some.integers(1, 4),
)
def test_pages_hold_each_match_once_and_in_order_while_others_write(
    context: Context, there: list[Json], later: list[Json], sort: tuple[str, ...], count: int
) -> None:
    tag = context.service.new_id()
    store(context, tag, "first", there)
    pairs = [("_tag", tag), *([("_sort", ",".join(sort))] if sort else [])]
    whole = ids(search(context, "Patient", [*pairs, ("_count", "1000")]).body)
    waiting = list(later)

    def write() -> None:
        if waiting:
            store(context, tag, f"later-{len(waiting)}", [waiting.pop()])

    forwards, last = walk(context, [*pairs, ("_count", str(count))], "next", write)
    assert [name for name in forwards if "first" in name] == whole
    backwards, _ = walk(context, last, "previous", write)
    assert [name for name in backwards if "first" in name] == whole
    assert len(set(forwards)) == len(forwards)
    assert len(set(backwards)) == len(backwards)


def store(context: Context, tag: str, prefix: str, contents: list[Json]) -> None:
    meta = {"meta": {"tag": [{"code": tag}]}}
    put(context, {f"Patient/{tag}.{prefix}.{n}": content | meta for n, content in enumerate(contents)})


def walk(context: Context, pairs: list[tuple[str, str]], relation: str, between: Any) -> Any:
    """All ids in the search's order, and the address of the last page that was seen."""
    found: list[str] = []
    while True:
        body = search(context, "Patient", pairs).body or b""
        here = ids(body)
        found = here + found if relation == "previous" else found + here
        links = {link["relation"]: link["url"] for link in json.decode_object(body)["link"]}
        if relation not in links:
            return found, pairs
        between()
        pairs = parse_qsl(urlsplit(links[relation]).query)


def test_a_cursor_is_good_for_its_own_order_only(context: Context) -> None:
    store(context, "t", "first", [{"birthDate": "1970"}, {"birthDate": "1971"}])
    body = search(context, "Patient", [("_sort", "birthdate"), ("_count", "1")]).body or b""
    following = next(link["url"] for link in json.decode_object(body)["link"] if link["relation"] == "next")
    cursor = dict(parse_qsl(urlsplit(following).query))["_cursor"]
    with pytest.raises(Exception, match="not a cursor"):
        search(context, "Patient", [("_sort", "family"), ("_cursor", cursor)])


def test_an_estimated_total_of_many_is_what_the_planner_expects(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(context, "t", "first", [{"active": True}] * 60)
    with context.connect() as connection:
        connection.execute("ANALYZE resource")
    monkeypatch.setattr(page, "COUNTED", 10)
    body = search(context, "Patient", [("_total", "estimate"), ("_count", "1")]).body or b""
    assert 30 <= json.decode_object(body)["total"] <= 120

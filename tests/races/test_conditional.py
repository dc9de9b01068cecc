"""Many at once with the same condition: exactly one resource comes of it, in one process, in two, and beside transactions.

https://hl7.org/fhir/R4/http.html#ccreate and #cond-update
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx

from tests.serving import forked, serving

AT_ONCE = 50
PERSON = {"resourceType": "Patient", "identifier": [{"system": "http://a", "value": "1"}]}
CONDITION = "identifier=http://a|1"
Call = Callable[[httpx.Client, int], httpx.Response]


def test_of_fifty_conditional_creates_at_once_one_creates(dsn: str) -> None:
    with serving(dsn) as running:
        answers = at_once([running.base], create)
        assert Counter(a.status_code for a in answers) == {201: 1, 200: AT_ONCE - 1}
        assert len({a.json()["id"] for a in answers}) == 1
        assert held(running.base) == 1


def test_of_conditional_creates_in_two_processes_one_creates(dsn: str) -> None:
    with forked(dsn) as (first, _), forked(dsn) as (second, _):
        answers = at_once([first, second], create)
        assert Counter(a.status_code for a in answers) == {201: 1, 200: AT_ONCE - 1}
        assert held(first) == 1


def test_of_transactions_and_plain_conditional_creates_one_creates(dsn: str) -> None:
    with serving(dsn) as running:
        answers = at_once([running.base], in_transaction, create)
        assert {a.status_code for a in answers} <= {200, 201}
        said = [status for a in answers for status in statuses(a)]
        assert Counter(said) == {201: 1, 200: AT_ONCE - 1}
        assert held(running.base) == 1


def test_of_conditional_updates_at_once_one_creates_and_the_others_update(dsn: str) -> None:
    with serving(dsn) as running:
        answers = at_once([running.base], update)
        assert Counter(a.status_code for a in answers) == {201: 1, 200: AT_ONCE - 1}
        assert sorted(a.json()["meta"]["versionId"] for a in answers) == sorted(
            str(n + 1) for n in range(AT_ONCE)
        )
        assert held(running.base) == 1


def test_of_conditional_updates_in_two_processes_one_creates(dsn: str) -> None:
    with forked(dsn) as (first, _), forked(dsn) as (second, _):
        answers = at_once([first, second], update, create)
        assert Counter(a.status_code for a in answers) == {201: 1, 200: AT_ONCE - 1}
        assert held(first) == 1


def test_of_every_kind_of_conditional_write_in_two_processes_one_creates(dsn: str) -> None:
    with forked(dsn) as (first, _), forked(dsn) as (second, _):
        answers = at_once([first, second], create, update, in_transaction, update_in_transaction)
        assert {a.status_code for a in answers} <= {200, 201}
        said = [status for a in answers for status in statuses(a)]
        assert Counter(said) == {201: 1, 200: AT_ONCE - 1}
        assert held(first) == 1


def test_transactions_that_name_the_same_conditions_in_another_order_all_go_in(dsn: str) -> None:
    with serving(dsn) as running:
        answers = at_once([running.base], many_conditions)
        assert {a.status_code for a in answers} == {200}, [a.text for a in answers if a.status_code != 200][
            :1
        ]
        assert sum(statuses(a).count(201) for a in answers) == 5


def test_of_updates_with_if_match_at_once_one_wins(dsn: str) -> None:
    with serving(dsn) as running:
        httpx.put(f"{running.base}/Patient/p", json={**PERSON, "id": "p"})
        answers = at_once([running.base], update_if_match)
        assert Counter(a.status_code for a in answers) == {200: 1, 412: AT_ONCE - 1}


def test_of_creates_under_one_new_id_at_once_one_creates(dsn: str) -> None:
    with serving(dsn) as running:
        answers = at_once([running.base], put_new)
        assert Counter(a.status_code for a in answers) == {201: 1, 200: AT_ONCE - 1}


def create(client: httpx.Client, number: int) -> httpx.Response:
    return client.post("/Patient", json=PERSON, headers={"if-none-exist": CONDITION})


def update(client: httpx.Client, number: int) -> httpx.Response:
    name = [{"family": f"Family {number}"}]
    return client.put("/Patient", params={"identifier": "http://a|1"}, json={**PERSON, "name": name})


def update_if_match(client: httpx.Client, number: int) -> httpx.Response:
    body = {**PERSON, "id": "p", "name": [{"family": f"Family {number}"}]}
    return client.put("/Patient/p", json=body, headers={"if-match": 'W/"1"'})


def put_new(client: httpx.Client, number: int) -> httpx.Response:
    return client.put("/Patient/new", json={**PERSON, "id": "new", "name": [{"family": f"F {number}"}]})


def in_transaction(client: httpx.Client, number: int) -> httpx.Response:
    return client.post("/", json=transaction([CONDITION]))


def update_in_transaction(client: httpx.Client, number: int) -> httpx.Response:
    entry = {
        "request": {"method": "PUT", "url": f"Patient?{CONDITION}"},
        "resource": {**PERSON, "active": True},
    }
    return client.post("/", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})


def many_conditions(client: httpx.Client, number: int) -> httpx.Response:
    wanted = [f"identifier=http://a|{n}" for n in range(5)]
    turned = wanted[number % 5 :] + wanted[: number % 5]
    return client.post("/", json=transaction(turned if number % 2 else turned[::-1]))


def transaction(conditions: Sequence[str]) -> dict[str, Any]:
    entries = [
        {
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": condition},
            "resource": {
                "resourceType": "Patient",
                "identifier": [{"system": "http://a", "value": condition[-1]}],
            },
        }
        for condition in conditions
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def statuses(answer: httpx.Response) -> list[int]:
    body = answer.json()
    if body["resourceType"] != "Bundle":
        return [answer.status_code]
    return [int(entry["response"]["status"][:3]) for entry in body["entry"]]


def at_once(bases: Sequence[str], *calls: Call) -> list[httpx.Response]:
    """AT_ONCE requests, started together, spread over the servers and the kinds of calls."""
    start = Barrier(AT_ONCE)

    def one(number: int) -> httpx.Response:
        with httpx.Client(base_url=bases[number % len(bases)], timeout=60) as client:
            start.wait()
            return calls[number // 2 % len(calls)](client, number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def held(base: str) -> int:
    """How many match the condition."""
    answer = httpx.get(f"{base}/Patient", params={"identifier": "http://a|1", "_total": "accurate"})
    return int(answer.json()["total"])

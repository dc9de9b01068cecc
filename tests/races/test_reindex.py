"""$reindex while another process writes: every resource is found by what it says at the end, and by nothing else."""

from __future__ import annotations

import threading

from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.interactions.search import search
from fhir_server.store import reindex
from tests.service import context_of, ids, put, service_on

EYES = "http://example.org/eyes"
PATIENTS, WRITES = 1100, 150


def eyes(colour: str) -> dict[str, object]:
    return {"extension": [{"url": EYES, "valueCode": colour}]}


def test_writes_of_another_process_are_not_lost_by_a_run(dsn: str) -> None:
    service, other = service_on(dsn), service_on(dsn)
    context = context_of(service)
    put(context, {f"Patient/p{n}": eyes("blue") for n in range(PATIENTS)})
    failures: list[BaseException] = []
    begun = threading.Event()

    def write() -> None:
        try:
            for n in range(WRITES):
                put(context_of(other), {f"Patient/p{n * 7}": eyes("green"), f"Patient/new{n}": eyes("green")})
                begun.set()
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(30)
    create(context, "SearchParameter", _parameter())
    with context.connect() as connection:
        run = reindex.start(connection, "run", context.now())
    *_, last = reindex.run_to_end(service.database, service.writer, run.id)
    writer.join()
    service.parameters.look()
    assert not failures
    assert not last.problem
    found = {colour: _found(context, colour) for colour in ("green", "blue")}
    green = {f"p{n * 7}" for n in range(WRITES)} | {f"new{n}" for n in range(WRITES)}
    assert found["green"] == green
    assert found["blue"] == {f"p{n}" for n in range(PATIENTS)} - green
    service.database.close()
    other.database.close()


def _found(context: Context, colour: str) -> set[str]:
    pairs = [("eye-colour", colour), ("_count", "1000")]
    body = search(context, "Patient", pairs).body
    assert b'"next"' not in (body or b"") or colour == "blue"
    return set(ids(body))


def _parameter() -> dict[str, object]:
    return {
        "resourceType": "SearchParameter",
        "url": "http://example.org/eye-colour",
        "name": "eyes",
        "status": "active",
        "description": "The colour of the eyes.",
        "code": "eye-colour",
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension('{EYES}').value",
    }

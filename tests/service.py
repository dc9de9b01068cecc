"""A Service on a test's own database, with a clock that the test holds; and resources put into it without ceremony."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_server import service as services
from fhir_server.access.actor import Actor
from fhir_server.access.decide import decide
from fhir_server.access.purpose import usual_purpose
from fhir_server.interactions.context import Context, Service
from fhir_server.r4 import json
from fhir_server.settings import Settings
from fhir_server.store.reindex import run_to_end, start
from fhir_server.store.write import Write

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
BASE = "http://test/fhir"


def service_on(dsn: str, **settings: Any) -> Service:
    """The server's Service, without the AI layer."""
    made = services.open_service(Settings(pool=4, **settings), dsn)
    made.clock = lambda: NOW
    return made


def context_of(service: Service, actor: Actor | None = None, *, lenient: bool = False) -> Context:
    """A Context for the actor (the system where none is named), for its usual purpose."""
    who = actor or Actor.system()
    return Context(service, decide(who, usual_purpose(who.role)), BASE, lenient)


def put(context: Context, given: Mapping[str, Mapping[str, Any]]) -> None:
    """Store `Type/id -> elements` as they are: a case names only what it is about."""
    writes = []
    for name, elements in given.items():
        kind, _, logical_id = name.partition("/")
        resource = json.decode_object(json.encode({"resourceType": kind, "id": logical_id, **elements}))
        writes.append(Write(kind, logical_id, resource))
    with context.connect() as connection:
        context.apply(connection, writes)


def ids(body: bytes | None, mode: str = "match") -> list[str]:
    """The logical ids of a searchset's entries of this mode, in order."""
    bundle = json.decode_object(body or b"{}")
    entries = [e for e in bundle.get("entry", ()) if e["search"]["mode"] == mode]
    return [entry["resource"]["id"] for entry in entries]


def reindexed(context: Context) -> int:
    """Carry out $reindex of everything; how many resources it went through."""
    service = context.service
    with context.connect() as connection:
        run = start(connection, service.new_id(), service.clock())
    *_, last = run_to_end(service.database, service.writer, run.id)
    assert last.ended
    assert not last.problem
    service.parameters.look()
    return last.done

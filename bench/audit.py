"""What access and audit cost: the same searches, reads and transactions with and without them, in turns, in one run and one process.

Without: the system, whose Access is no condition, and no trail. With: a clinician or patient, and a row of the audit log for each
request. Measured without HTTP, so that nothing hides what they cost; the background work of sealing is not running.
`python -m bench.audit [PATIENTS]`
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ai_layer.app import make_service
from bench import data, report
from fhir_server.access.actor import Actor
from fhir_server.access.decide import decide
from fhir_server.access.purpose import usual_purpose
from fhir_server.ingest import ingest_bundle
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedPostgres
from fhir_server.store.trail import Trail

TIMES = 400
_PATIENTS = "SELECT id FROM resource WHERE type = %s AND body IS NOT NULL"
BASE = "http://bench/fhir"
Act = Callable[[Context, str], Any]
SEARCHES: dict[str, Act] = {
    "Observation?patient&code&_sort=-date": lambda c, i: search(
        c, "Observation", [("patient", i), ("code", "http://loinc.org|8302-2"), ("_sort", "-date"), ("_count", "20")]
    ),
    "Condition?patient": lambda c, i: search(c, "Condition", [("patient", i)]),
    "Patient?name, prefix": lambda c, i: search(c, "Patient", [("name", "al"), ("_count", "20")]),
    "Patient, read": lambda c, i: read(c, "Patient", i),
}  # fmt: skip


def main() -> None:
    """Print the ratios: 1.00 is free."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    bodies = [json.decode_object(body) for body in data.bundles()[:count]]
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder))
        dsn = postgres.start()
        plain, told = (make_service(Settings(schema=name), dsn) for name in ("plain", "told"))
        try:
            _ingest(plain, told, bodies)
            _search(told)
        finally:
            plain.database.close()
            told.database.close()
            postgres.stop()


def context(service: Service, actor: Actor | None = None) -> Context:
    """A request's Context; without an actor, of the system and without a trail."""
    who = actor or Actor.system()
    access = decide(who, usual_purpose(who.role))
    return Context(service, access, BASE, trail=Trail("127.0.0.1") if actor else None)


def _ingest(plain: Service, told: Service, bodies: Sequence[dict[str, Any]]) -> None:
    """Each bundle into both, in turns which comes first; the first two warm up."""
    spent, stored = {"plain": 0.0, "told": 0.0}, 0
    for number, body in enumerate(bodies):
        turns = [("plain", context(plain)), ("told", context(told, Actor.system("feed")))]
        for name, made in turns if number % 2 else turns[::-1]:
            started = time.perf_counter()
            found = ingest_bundle(made, body, f"bench-{number}")
            spent[name] += (time.perf_counter() - started) * (number > 1)
        stored += found.resources * (number > 1)
    each = {name: 1e6 * seconds / stored for name, seconds in spent.items()}
    ratio = each["told"] / each["plain"]
    report.line("ingest, a resource", f"{each['told']:.0f} us", f"{each['plain']:.0f} us", ratio)


def _search(service: Service) -> None:
    with service.database.transaction() as connection:
        connection.execute("ANALYZE")
        found = connection.execute(_PATIENTS, (TYPE_CODE["Patient"],)).fetchall()
    ids = [logical_id for (logical_id,) in found]
    random.Random(7).shuffle(ids)
    for name, act in SEARCHES.items():
        for role in ("clinician", "patient"):
            plain, told = _in_turns(service, act, ids, role)
            report.line(
                f"{name}, as {role}", f"p50 {1000 * told:.2f} ms", f"p50 {1000 * plain:.2f} ms", told / plain
            )


def _in_turns(service: Service, act: Act, ids: Sequence[str], role: str) -> tuple[float, float]:
    """p50 without and with."""
    spent: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * TIMES + 40):
        logical_id, is_told = ids[number // 2 % len(ids)], number % 2 == 1
        actor = Actor.of_patient(logical_id) if role == "patient" else Actor.clinician("Practitioner/bench")
        made = context(service, actor if is_told else None)
        started = time.perf_counter()
        act(made, logical_id)
        made.finish()
        if number >= 40:
            spent[is_told].append(time.perf_counter() - started)
    return median(spent[False]), median(spent[True])


if __name__ == "__main__":
    main()

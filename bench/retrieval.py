"""$retrieve in one patient's record: p50 and p99 of the statement and of the question's vector, beside as many passages of others as asked for.

    python -m bench.retrieval [--resources 2000] [--passages 1000000]

One demo patient's results are copied until the record holds the resources asked for; the passages of others are rows without resources behind
them: they stand in the same table and index, which is what the statement has to find its way through.
"""

from __future__ import annotations

import argparse
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import Connection

from ai_layer.app import make_service
from ai_layer.question import understand
from ai_layer.retrieve import retrieve
from bench import report
from bench.reading import QUESTIONS
from fhir_server.access.decide import Access
from fhir_server.commands.running import owned_database, system_context
from fhir_server.ingest import ingest
from fhir_server.interactions.context import Context
from fhir_server.r4 import json
from fhir_server.settings import Settings
from fhir_server.store.write import Write
from fixtures import demo, scheduling
from mappings.source import Kind, Source

TIMES, LIMIT = 300, 10
CHUNK = 50_000
PATIENT = demo.DEMO[9]
_OTHERS = """
INSERT INTO passage (rid, patient, hash, time, value, type, system, code, status, label, unit)
SELECT -n, -(n / 1000) - 1, p.hash, p.time - n * interval '1 minute', p.value, p.type, p.system, p.code, p.status, p.label, p.unit
FROM generate_series(%s::int, %s::int) AS n JOIN (SELECT *, row_number() OVER () AS place, count(*) OVER () AS every FROM passage WHERE rid > 0) AS p
ON p.place = n %% p.every + 1
"""


def main() -> None:
    """Load, fill and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resources", type=int, default=2000)
    parser.add_argument("--passages", type=int, default=1_000_000)
    wanted = parser.parse_args()
    with (
        TemporaryDirectory(prefix="chartline-bench-", ignore_cleanup_errors=True) as folder,
        owned_database(Settings(data_dir=Path(folder))) as dsn,
    ):
        service = make_service(Settings(consent="opt-out", pool=2), dsn)
        context = system_context(service)
        held = _load(context, wanted.resources)
        for start in range(0, wanted.passages, CHUNK):
            with service.database.transaction() as connection:
                connection.execute(_OTHERS, (start + 1, min(start + CHUNK, wanted.passages)))
        with service.database.transaction() as connection:
            connection.execute("ANALYZE passage")
            _measure(
                connection, context.access, f"{held} resources, {wanted.passages} passages of others", context
            )
        service.database.close()


def _load(context: Context, resources: int) -> int:
    """The clinic and the patient; then copies of the patient's results until there are enough."""
    bodies = dict(demo.patients())
    sources = [
        ("scheduling", json.encode(scheduling.bundle(context.now()))),
        ("patient", bodies[f"{PATIENT.key}.json.gz"]),
    ]
    for name, body in sources:
        ingest(context, Source(name, Kind.JSON, body))
    entries = json.decode_object(sources[1][1])["entry"]
    results = [e["resource"] for e in entries if e["resource"]["resourceType"] == "Observation"]
    copies = list(islice(cycle(results), max(0, resources - len(entries))))
    subject = {"subject": {"reference": f"Patient/{PATIENT.id}"}}
    kept = (
        "resourceType",
        "status",
        "category",
        "code",
        "effectiveDateTime",
        "valueQuantity",
        "valueCodeableConcept",
    )
    with context.connect() as connection:
        for start in range(0, len(copies), 500):
            writes = [
                Write(
                    "Observation",
                    f"copy-{start + n}",
                    {k: r[k] for k in kept if k in r} | {"id": f"copy-{start + n}"} | subject,
                )
                for n, r in enumerate(copies[start : start + 500])
            ]
            context.apply(connection, writes)
    return len(entries) + len(copies)


def _measure(connection: Connection[object], access: Access, what: str, context: Context) -> None:
    taken = []
    for n, text in enumerate(islice(cycle(QUESTIONS), TIMES)):
        begin = time.perf_counter()
        question = understand(f"{text} {n}", "en", context.now())
        retrieve(connection, access, PATIENT.id, question, "", LIMIT)
        taken.append(time.perf_counter() - begin)
    report.line(f"$retrieve, {what}", report.milliseconds(taken))


if __name__ == "__main__":
    main()

"""What search costs those who write: the index rows of a resource, their size on disk, and the time that they take.

The same transactions with and without index rows, in turns, in one process, without HTTP and without the assistant's passages. Without
rows nothing can be found, by patient either; what remains is to check, rewrite references, compress and store.
`python -m bench.indexes [PATIENTS]`
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench import data, report
from fhir_server.access.actor import Actor
from fhir_server.access.decide import decide
from fhir_server.access.purpose import usual_purpose
from fhir_server.ingest import ingest_bundle
from fhir_server.interactions.context import Context, Service
from fhir_server.r4 import json
from fhir_server.search.index import Indexer
from fhir_server.search.parameters import build
from fhir_server.service import open_service
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedPostgres

_SIZES = """
SELECT c.relname, (SELECT count(*) FROM resource WHERE body IS NOT NULL), pg_table_size(c.oid), pg_indexes_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'whole' AND c.relkind = 'r' AND (c.relname LIKE '%%\\_index' OR c.relname = ANY(%s)) ORDER BY pg_total_relation_size(c.oid) DESC
"""
BESIDE = ["resource", "compartment", "contained", "term", "words"]
"""Tables that searches use, or that the index rows are held against."""


def main() -> None:
    """Print time and size a resource."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    bodies = [json.decode_object(body) for body in data.bundles()[:count]]
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder))
        dsn = postgres.start()
        whole, bare = (open_service(Settings(schema=name), dsn) for name in ("whole", "bare"))
        try:
            _write(whole, bare, bodies)
            _rows(bodies)
            _weigh(whole)
        finally:
            whole.database.close()
            bare.database.close()
            postgres.stop()


def _write(whole: Service, bare: Service, bodies: Sequence[dict[str, Any]]) -> None:
    """Each bundle into both, in turns which comes first; the first two warm up."""
    spent, stored = {True: 0.0, False: 0.0}, 0
    for number, body in enumerate(bodies):
        resources = 0
        for is_indexed in (True, False) if number % 2 else (False, True):
            with _rowless() if not is_indexed else nullcontext():
                started = time.perf_counter()
                found = ingest_bundle(_context(whole if is_indexed else bare), body, f"bench-{number}")
                spent[is_indexed] += (time.perf_counter() - started) * (number > 1)
            resources = found.resources
        stored += resources * (number > 1)
    each = {name: 1e6 * seconds / stored for name, seconds in spent.items()}
    report.line(
        "write, a resource", f"{each[True]:.0f} us", f"{each[False]:.0f} us", each[True] / each[False]
    )


def _context(service: Service) -> Context:
    who = Actor.system()
    return Context(service, decide(who, usual_purpose(who.role)), "http://bench/fhir")


def _rowless() -> AbstractContextManager[Any]:
    return patch.object(Indexer, "rows", lambda self, resource: {})


def _rows(bodies: Sequence[dict[str, Any]]) -> None:
    """Index rows a resource, and the time to work them out in Python."""
    indexer = Indexer(build())
    resources = [entry["resource"] for body in bodies for entry in body["entry"]]
    indexer.rows(resources[0])
    started = time.perf_counter()
    rows = sum(len(found) for resource in resources for found in indexer.rows(resource).values())
    seconds = time.perf_counter() - started
    report.line("index rows of a resource", f"{rows / len(resources):.1f}")
    report.line("working them out, a resource", f"{1e6 * seconds / len(resources):.0f} us")


def _weigh(service: Service) -> None:
    """Bytes a resource, as far as they lie in the table and in its indexes."""
    with service.database.transaction() as connection:
        sizes = connection.execute(_SIZES, (BESIDE,)).fetchall()
    for name, resources, table, indexes in sizes:
        said = f"{table / resources:,.0f} + {indexes / resources:,.0f} bytes"
        report.line(f"{name}: table + its indexes, a resource", said)
    every = sum(table + indexes for name, _, table, indexes in sizes if name != "resource")
    report.line("all that searches need, a resource", f"{every / sizes[0][1]:,.0f} bytes")


if __name__ == "__main__":
    main()

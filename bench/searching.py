"""The shapes of search on 600,000 resources: p50 and p99 at 1 and 8 clients, and how Postgres goes about each.

    python -m bench.searching [--copies 23] [--folder F]    a folder that is given is filled if it is empty, and kept

Beside each p50 stands what its statements take by bare psycopg. The plans are written to bench/plans.txt; a sequential scan of a big
table, and a shape that takes longer than it may, ends the run with 1.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI
from psycopg import Connection

from ai_layer.app import DISTRIBUTION, make_service
from bench import copies, plans, report, server
from bench.shapes import SHAPES, Shape
from fhir_server.app import create_app
from fhir_server.commands.load import load
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedPostgres

COPIES = 23
CLIENTS = (1, 8)
TIMES = 200
SLOWEST = 250.0
PLANS = Path(__file__).parent / "plans.txt"
Values = dict[str, str]
_FILLED = "SELECT 1 FROM resource WHERE type = %s LIMIT 1"


def main() -> None:
    """As a command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--folder", type=Path)
    wanted = parser.parse_args()
    report.head()
    sys.exit("; ".join(run(wanted.copies, wanted.folder)) or 0)


def run(wanted: int = COPIES, given: Path | None = None) -> list[str]:
    """Fill, explain, measure: what was read from end to end, and what takes longer than it may."""
    folder = given or Path(tempfile.mkdtemp(prefix="chartline-bench-"))
    random.seed(7)
    try:
        values, bare, scans = _prepared(folder, wanted)
        return scans + _measure(folder, values, bare)
    finally:
        if given is None:
            shutil.rmtree(folder, ignore_errors=True)


def _prepared(folder: Path, wanted: int) -> tuple[list[Values], list[float], list[str]]:
    """(what to ask about, milliseconds of each shape's statements by bare psycopg, what was read from end to end)."""
    postgres = EmbeddedPostgres(folder)
    dsn = postgres.start()
    service = make_service(Settings(auth="off", consent="opt-out"), dsn)
    app = create_app(service)
    try:
        with plans.connect(dsn) as connection:
            if not connection.execute(_FILLED, (TYPE_CODE["Patient"],)).fetchone():
                _fill(dsn, wanted)
            connection.execute("VACUUM ANALYZE")
            _weigh(connection)
            values = _values(app)
            return values, *_explained(app, connection, values)
    finally:
        service.database.close()
        postgres.stop()


def _fill(dsn: str, wanted: int) -> None:
    started, count = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for bundles in copies.write(Path(folder), wanted):
            count += sum(
                found.resources for found, _ in load([bundles], Settings(), dsn, DISTRIBUTION, jobs=2)
            )
    report.line("chartline load, all copies", f"{count / (time.perf_counter() - started):,.0f} resources/s")


def _weigh(connection: Connection[Any]) -> None:
    """How many resources there are, and how much of the disk each takes, with and without indexes."""
    rows = connection.execute(
        "SELECT (SELECT count(*) FROM resource WHERE body IS NOT NULL), sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid))"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'chartline' AND c.relkind = 'r'"
    ).fetchone()
    count, tables, indexes = map(int, rows or (1, 0, 0))
    report.line(f"{count:,} resources: tables", f"{tables / count / 1000:.2f} kB a resource")
    report.line(f"{count:,} resources: indexes", f"{indexes / count / 1000:.2f} kB a resource")


def _values(app: FastAPI) -> list[Values]:
    """Patients at random, each with a resource of the kinds that the shapes name."""
    found = []
    for page in range(4):
        entries = plans.get(app, f"Patient?_count=50&birthdate=ge{1935 + 15 * page}")["entry"]
        for patient in (entry["resource"] for entry in entries):
            own = plans.get(app, f"Observation?patient={patient['id']}&_count=1&_elements=id").get("entry")
            if own:
                identifier = patient["identifier"][0]
                found.append(
                    {
                        "patient": patient["id"],
                        "observation": own[0]["resource"]["id"],
                        "family": patient["name"][0]["family"],
                        "identifier": f"{identifier['system']}|{identifier['value']}",
                    }
                )
    return found


def _explained(
    app: FastAPI, connection: Connection[Any], values: Sequence[Values]
) -> tuple[list[float], list[str]]:
    big, text, bare, scans = plans.big_tables(connection), [], [], []
    for shape in SHAPES:
        asked = plans.statements(app, _path(shape, values[0]))
        text.append(f"## {shape.name}: {shape.path}")
        for statement in asked:
            found = plans.plan(connection, statement)
            text += [*plans.lines(found), ""]
            scans += [f"{shape.name} reads all of {table}" for table in plans.scanned(found, big)]
        bare.append(plans.bare(connection, asked))
    PLANS.write_text("\n".join(text))
    return bare, scans


def _path(shape: Shape, values: Values) -> str:
    return quote(shape.path.format(**values), safe="/?&=|,:$-[]%")


def _measure(folder: Path, values: Sequence[Values], bare: Sequence[float]) -> list[str]:
    """Print each shape's line a number of clients; what takes longer than it may."""
    slow = []
    with server.served(folder) as (base, _):
        for shape, least in zip(SHAPES, bare, strict=True):
            for clients in CLIENTS:
                seconds = _asked(base, [_path(shape, random.choice(values)) for _ in range(TIMES)], clients)
                name = f"{shape.name}, {clients} client{'s' * (clients > 1)}"
                middle = median(seconds) * 1000
                if clients == 1:
                    report.line(
                        name, report.milliseconds(seconds), f"its statements {least:.1f} ms", least / middle
                    )
                    if middle > (shape.reach or SLOWEST):
                        slow.append(
                            f"{shape.name} takes {middle:.1f} ms, {shape.reach or SLOWEST} were to be reached"
                        )
                else:
                    report.line(name, report.milliseconds(seconds))
    return slow


def _asked(base: str, paths: Sequence[str], clients: int) -> list[float]:
    """Seconds of each request, the clients side by side, after a few to warm up."""
    parts = urlsplit(base)

    def client(own: Sequence[str]) -> Iterator[float]:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        for n, path in enumerate([*own[:5], *own]):
            started = time.perf_counter()
            connection.request("GET", f"{parts.path}/{path}")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise ValueError(f"{path} answers {answer.status}")
            if n >= len(own[:5]):
                yield time.perf_counter() - started

    with ThreadPoolExecutor(clients) as pool:
        each = [paths[n::clients] for n in range(clients)]
        return [s for found in pool.map(lambda own: list(client(own)), each) for s in found]


if __name__ == "__main__":
    main()

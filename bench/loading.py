"""chartline load, and HTTP transactions with 1 and 4 clients: resources a second, beside bare COPY of the same rows."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import psycopg

from ai_layer.app import DISTRIBUTION, make_service
from bench import data, raw, report, server
from fhir_server.commands.load import load
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedPostgres


def run() -> Path:
    """Print the figures; gives the data folder that `chartline load` filled, for the reading benchmarks."""
    limit = _raw()
    folder = Path(tempfile.mkdtemp(prefix="chartline-bench-"))
    rate, kilobytes = _load(folder)
    report.line(
        "chartline load, 80 Synthea patients",
        f"{rate:,.0f} resources/s",
        f"COPY {limit:,.0f} resources/s",
        rate / limit,
    )
    report.line("stored, with all indexes, history and passages", f"{kilobytes:.2f} kB a resource")
    for clients in (1, 4):
        rate = _http(clients)
        report.line(
            f"HTTP transactions, {clients} client{'s' * (clients > 1)}",
            f"{rate:,.0f} resources/s",
            f"COPY {limit:,.0f} resources/s",
            rate / limit,
        )
    return folder


def _raw() -> float:
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder))
        dsn = postgres.start()
        service = make_service(Settings(), dsn)
        tables, count = raw.recorded(service, data.bundles()[:40])
        seconds = raw.copied(dsn, "chartline", tables)
        service.database.close()
        postgres.stop()
        return count / seconds


def _load(folder: Path) -> tuple[float, float]:
    """Resources a second with two processes, from the first byte read to the last commit; kB a resource on disk."""
    postgres = EmbeddedPostgres(folder)
    dsn = postgres.start()
    settings = Settings()
    make_service(settings, dsn).database.close()
    started = time.perf_counter()
    count = sum(found.resources for found, _ in load([data.folder()], settings, dsn, DISTRIBUTION, jobs=2))
    seconds = time.perf_counter() - started
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")
        size = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'chartline' AND c.relkind = 'r'"
        ).fetchone()
    postgres.stop()
    return count / seconds, float(size[0] if size else 0) / count / 1000


def _http(clients: int) -> float:
    """Half of the patients as transactions; the first of the other half warm the server up."""
    bodies = data.bundles()
    with tempfile.TemporaryDirectory() as folder, server.served(Path(folder)) as (base, _):
        for body in bodies[40:44]:
            httpx.post(base, content=body, headers=_HEADERS, timeout=60)
        with ProcessPoolExecutor(clients) as pool:
            list(pool.map(_post, [(base, b"{}")] * clients))
            started = time.perf_counter()
            count = sum(pool.map(_post, [(base, body) for body in bodies[:40]]))
            return count / (time.perf_counter() - started)


_HEADERS = {"content-type": "application/fhir+json"}


def _post(task: tuple[str, bytes]) -> int:
    base, body = task
    answer = httpx.post(base, content=body, headers=_HEADERS, timeout=120)
    return answer.text.count('"response"') if answer.status_code == 200 else 0

"""The raw limits: the same rows by bare psycopg COPY, one commit a bundle; the same bytes by a bare ASGI app."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import uvicorn
from psycopg import Connection

from bench.server import free_port, wait_for
from fhir_server.commands.running import system_context
from fhir_server.ingest import ingest
from fhir_server.interactions.context import Service
from fhir_server.store import rows
from mappings.source import Kind, Source

Tables = dict[str, list[tuple[Any, ...]]]


def recorded(service: Service, bodies: Sequence[bytes]) -> tuple[list[Tables], int]:
    """The rows that loading these bundles writes, a dictionary a bundle, and how many resources they are."""
    kept: list[Tables] = []
    original = rows.insert

    def keep(connection: Connection[Any], tables: Tables) -> None:
        kept.append({name: list(found) for name, found in tables.items()})
        original(connection, tables)

    rows.insert = keep  # type: ignore[assignment]
    try:
        context = system_context(service)
        count = sum(
            ingest(context, Source(f"bundle {n}", Kind.JSON, body)).resources for n, body in enumerate(bodies)
        )
    finally:
        rows.insert = original
    return kept, count


def copied(dsn: str, schema: str, tables: Sequence[Tables]) -> float:
    """Seconds to COPY the rows into the same, emptied tables, one commit a bundle; the lines are made beforehand."""
    lines = [
        {name: "".join(map(rows._line, found)) for name, found in one.items() if found} for one in tables
    ]
    with psycopg.connect(dsn, options=f"-c search_path={schema},public") as connection:
        connection.execute(f"TRUNCATE {', '.join({name for one in lines for name in one})}")
        connection.commit()
        started = time.perf_counter()
        for one in lines:
            for name, text in one.items():
                with connection.cursor().copy(
                    f"COPY {name} ({', '.join(rows.COLUMNS[name])}) FROM STDIN"
                ) as copy:
                    copy.write(text)
            connection.commit()
        return time.perf_counter() - started


@contextmanager
def bare_app(body: bytes) -> Iterator[str]:
    """The address of an ASGI app that answers everything with these bytes."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(body, port), daemon=True)
    process.start()
    try:
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.join()


def _serve(body: bytes, port: int) -> None:
    async def app(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http":
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-type", b"application/fhir+json")],
                }
            )
            await send({"type": "http.response.body", "body": body})

    uvicorn.run(app, port=port, log_level="error", access_log=False, lifespan="off")

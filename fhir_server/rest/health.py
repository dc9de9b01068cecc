"""/healthz (the process is there), /readyz (the database answers) and /metrics (Prometheus text)."""

from __future__ import annotations

import resource as usage
import time

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from fhir_server.interactions.context import Service
from fhir_server.r4.outcome import FhirError

_ESTIMATE = """
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class WHERE oid = to_regclass('resource')
"""


def health_router(service: Service) -> APIRouter:
    """The router."""
    router = APIRouter(include_in_schema=False)
    started = time.time()

    @router.get("/healthz")
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @router.get("/readyz")
    def readyz() -> PlainTextResponse:
        try:
            with service.database.transaction() as connection:
                connection.execute("SELECT 1")
        except FhirError:
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ready\n")

    @router.get("/metrics")
    def metrics() -> PlainTextResponse:
        with service.database.transaction() as connection:
            row = connection.execute(_ESTIMATE).fetchone()
        return PlainTextResponse(_text(started, row[0] if row else 0) + _counters(service))

    return router


def _counters(service: Service) -> str:
    """What this process has counted."""
    return "".join(
        f"# TYPE {name} counter\n{name} {value}\n" for name, value in sorted(service.counters.items())
    )


def _text(started: float, resources: int) -> str:
    rows = {
        "chartline_uptime_seconds": time.time() - started,
        "chartline_resident_bytes": usage.getrusage(usage.RUSAGE_SELF).ru_maxrss * 1024,
        "chartline_resources_estimate": resources,
    }
    return "".join(f"# TYPE {name} gauge\n{name} {value}\n" for name, value in rows.items())

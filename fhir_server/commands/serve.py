"""`chartline serve`: the server, in one process or several; without a DSN on the embedded Postgres, which it owns."""

from __future__ import annotations

import argparse
import os

import uvicorn

from fhir_server.commands import Distribution
from fhir_server.commands.running import owned_database, say
from fhir_server.settings import Settings, add_flags


def add(parser: argparse.ArgumentParser) -> None:
    """The flags: every setting has one."""
    add_flags(parser)


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """Serve until interrupted."""
    with owned_database(settings) as dsn:
        distribution.make_service(settings, dsn).database.close()
        os.environ |= settings.as_environment() | {"CHARTLINE_DSN": dsn}
        say(f"Chartline on http://{settings.host}:{settings.port}/ (FHIR: /fhir, docs: /docs)")
        uvicorn.run(
            distribution.factory,
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers if settings.workers > 1 else None,
            log_level=settings.log,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    return 0

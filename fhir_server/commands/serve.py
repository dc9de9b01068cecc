"""`chartline serve`: the server, in one process or several; without a DSN on the embedded Postgres, which it owns."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from fhir_server.commands import Distribution
from fhir_server.commands.running import owned_database, say, system_context
from fhir_server.packages import load_packages
from fhir_server.settings import ConfigurationError, Settings, add_flags


def add(parser: argparse.ArgumentParser) -> None:
    """The flags: every setting has one."""
    add_flags(parser)


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """Serve until interrupted."""
    with owned_database(settings) as dsn:
        _prepare(settings, dsn, distribution)
        os.environ |= settings.as_environment() | {"CHARTLINE_DSN": dsn}
        scheme = "https" if settings.tls_certificate else "http"
        say(f"Chartline on {scheme}://{settings.host}:{settings.port}/ (FHIR: /fhir, docs: /docs)")
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
            ssl_certfile=settings.tls_certificate or None,
            ssl_keyfile=settings.tls_key or None,
        )
    return 0


def _packages(settings: Settings) -> list[Path]:
    """The files of the setting's folder. Raises ConfigurationError where there is no such folder."""
    if settings.packages and not Path(settings.packages).is_dir():
        raise ConfigurationError("CHARTLINE_PACKAGES: there is no such folder.")
    return sorted(Path(settings.packages).glob("*.tgz")) if settings.packages else []


def _prepare(settings: Settings, dsn: str, distribution: Distribution) -> None:
    """Bring the tables up to date and load the packages of the setting's folder; what could not be loaded is said."""
    service = distribution.make_service(settings, dsn)
    try:
        for loaded in load_packages(system_context(service), _packages(settings)):
            say(f"{loaded.file}: {loaded.status}, {loaded.resources} definitions")
            for issue in loaded.issues:
                say(f"  {issue['severity']}: {issue['diagnostics']}")
    finally:
        service.database.close()

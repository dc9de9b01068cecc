"""What commands share: a database to work with, and a Context of the system's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.context import Context, Service
from fhir_server.settings import Settings
from fhir_server.store.embedded import EmbeddedPostgres, attach_or_start

SYSTEM = Actor(Role.SYSTEM, "chartline", "", None, parse_scopes("system/*.cruds"), "chartline")


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The DSN: the setting's, else the embedded server's, started for the length of the block where none runs."""
    if settings.dsn:
        yield settings.dsn
        return
    with attach_or_start(settings.data_dir) as running:
        yield running.dsn


@contextmanager
def owned_database(settings: Settings) -> Iterator[str]:
    """As `database`, but the embedded server has to be ours alone: ConfigurationError where it runs already."""
    if settings.dsn:
        yield settings.dsn
        return
    server = EmbeddedPostgres(settings.data_dir)
    try:
        yield server.start()
    finally:
        server.stop()


def system_context(service: Service, base: str = "") -> Context:
    """What the operator of the machine does, through the same decision as anybody else."""
    return Context(
        service,
        decide(SYSTEM, Purpose.HOPERAT),
        base or f"http://{service.settings.host}:{service.settings.port}/fhir",
    )


def say(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

"""The command `chartline`, for the server alone: `python -m fhir_server`. The AI layer's `__main__` adds its own commands.

Each command is a module with `add(parser)` and `run(arguments, settings, distribution) -> exit code`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from fastapi import FastAPI

from fhir_server import service
from fhir_server.app import create_app
from fhir_server.commands import (
    Distribution,
    audit,
    backup,
    doctor,
    export,
    load,
    migrate,
    reindex,
    restore,
    serve,
    token,
)
from fhir_server.commands.running import say
from fhir_server.interactions.context import Service
from fhir_server.r4.outcome import FhirError
from fhir_server.settings import SETTINGS, ConfigurationError, Settings
from fhir_server.store.guise import end_with_parent

COMMANDS: dict[str, ModuleType] = {
    "serve": serve,
    "load": load,
    "migrate": migrate,
    "token": token,
    "doctor": doctor,
    "reindex": reindex,
    "export": export,
    "backup": backup,
    "restore": restore,
    "audit": audit,
}


def make_service(settings: Settings, dsn: str) -> Service:
    """The Service of a server without the AI layer."""
    return service.open_service(settings, dsn)


def make_app() -> FastAPI:
    """The ASGI application of one process, its settings out of the environment."""
    end_with_parent()
    settings = Settings.load(os.environ)
    return create_app(make_service(settings, settings.dsn))


DISTRIBUTION = Distribution(make_service, "fhir_server.__main__:make_app", (service.MIGRATIONS,))


def main(
    argv: Sequence[str] | None = None,
    commands: Mapping[str, ModuleType] = COMMANDS,
    distribution: Distribution = DISTRIBUTION,
) -> int:
    """Run one command; what has to be set right is said in one sentence."""
    parser = argparse.ArgumentParser(
        prog="chartline", description="A FHIR R4 server with an AI layer that vouches for every line."
    )
    inner = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in commands.items():
        module.add(inner.add_parser(name, help=(module.__doc__ or "").split("\n")[0]))
    arguments = parser.parse_args(argv)
    flags = {row.name: getattr(arguments, row.name, None) for row in SETTINGS}
    try:
        settings = Settings.load(os.environ, **flags)
        logging.basicConfig(
            level=settings.log.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )
        return int(commands[arguments.command].run(arguments, settings, distribution))
    except (ConfigurationError, FhirError) as error:
        say(f"chartline: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

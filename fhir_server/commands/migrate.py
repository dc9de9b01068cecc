"""`chartline migrate`: bring the database's tables up to date (serve and load do it, too)."""

from __future__ import annotations

import argparse

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store.migrate import grant


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "--grant", default="", help="database role that `serve` connects as: it may not change the audit log"
    )
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """Migrate."""
    with database(settings) as dsn:
        distribution.make_service(settings, dsn).database.close()
        if arguments.grant:
            grant(dsn, settings.schema, arguments.grant)
    say("The tables are up to date.")
    return 0

"""`chartline reindex`: write all index rows and passages again, after a new search parameter or a new version; online, and to be resumed."""

from __future__ import annotations

import argparse

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store.reindex import reindex


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "--after", type=int, default=0, help="go on behind this number, which an interrupted run printed last"
    )
    add_flags(parser, "dsn", "data_dir", "schema", "embedder")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """A line a batch."""
    with database(settings) as dsn:
        service = distribution.make_service(settings, dsn)
        for done, after in reindex(service.database, service.writer, arguments.after):
            say(f"{done} resources; --after {after}")
        service.database.close()
    return 0

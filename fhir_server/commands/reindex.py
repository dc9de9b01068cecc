"""`chartline reindex`: write all index rows and passages again, after new search parameters or a new version; online.

A run that was cut off goes on where it was, by the same command or by a server. It is the same as $reindex.
"""

from __future__ import annotations

import argparse

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store.reindex import run_to_end, start


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    add_flags(parser, "dsn", "data_dir", "schema", "embedder")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """A line a batch."""
    with database(settings) as dsn:
        service = distribution.make_service(settings, dsn)
        with service.database.transaction() as connection:
            begun = start(connection, service.new_id(), service.clock())
        problem = None
        for now in run_to_end(service.database, service.writer, begun.id):
            say(f"{now.done} of {now.total} resources")
            problem = now.problem
        service.database.close()
    return 1 if problem else 0

"""`chartline export --out FOLDER`: every current resource as NDJSON, a file a type, digit by digit as it is stored."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say, system_context
from fhir_server.settings import Settings, add_flags
from fhir_server.store.read import current_bodies


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the files; made where it is missing"
    )
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """Write the files."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    files: dict[str, BinaryIO] = {}
    count = 0
    with database(settings) as dsn, ExitStack() as stack:
        service = distribution.make_service(settings, dsn)
        with service.database.transaction() as connection:
            for kind, body in current_bodies(connection, system_context(service).access):
                if kind not in files:
                    files[kind] = stack.enter_context((arguments.out / f"{kind}.ndjson").open("wb"))
                files[kind].write(body + b"\n")
                count += 1
        service.database.close()
    say(f"{count} resources of {len(files)} types are in {arguments.out}.")
    return 0

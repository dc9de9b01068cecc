"""`chartline export --out FOLDER`: every current resource as NDJSON, a file a type, digit by digit as it is stored.

With `--deidentified` each one goes through fhir_server/deidentify first, and manifest.json counts what was taken out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from psycopg import Connection

from fhir_server.access.decide import Access
from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say, system_context
from fhir_server.deidentify.names import TYPES
from fhir_server.deidentify.release import Release
from fhir_server.r4 import json
from fhir_server.settings import Settings, add_flags
from fhir_server.store.read import current_bodies

Row = tuple[str, bytes]


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the files; made where it is missing"
    )
    parser.add_argument(
        "--deidentified",
        action="store_true",
        help="without what tells who somebody is, by HIPAA's Safe Harbor (45 CFR 164.514(b)(2)); manifest.json counts what was taken out",
    )
    parser.add_argument(
        "--dates",
        choices=["year", "shift"],
        default="year",
        help="with --deidentified: only their year (Safe Harbor), or moved by 1 to 365 days, the same for all dates of one patient",
    )
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """Write the files."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    with database(settings) as dsn:
        service = distribution.make_service(settings, dsn)
        access = system_context(service).access
        with service.database.transaction() as connection:
            # what is learnt and what is written are of one moment
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if arguments.deidentified:
                release = Release(settings.deidentify_key, service.clock(), arguments.dates == "shift")
                counts = write(arguments.out, without_identity(connection, access, release))
                manifest = json.encode(release.manifest(counts))
                (arguments.out / "manifest.json").write_bytes(manifest + b"\n")
            else:
                counts = write(arguments.out, current_bodies(connection, access))
        service.database.close()
    say(f"{counts.total()} resources of {len(counts)} types are in {arguments.out}.")
    return 0


def write(folder: Path, rows: Iterable[Row]) -> Counter[str]:
    """A file a type; how many resources are in each."""
    counts: Counter[str] = Counter()
    files: dict[str, BinaryIO] = {}
    with ExitStack() as stack:
        for kind, body in rows:
            if kind not in files:
                files[kind] = stack.enter_context((folder / f"{kind}.ndjson").open("wb"))
            files[kind].write(body + b"\n")
            counts[kind] += 1
    return counts


def without_identity(
    connection: Connection[tuple[object, ...]], access: Access, release: Release
) -> Iterable[Row]:
    """Everybody's names first, then each resource; what may not go out is left out and counted."""
    for _, body in current_bodies(connection, access, TYPES):
        release.learn(json.decode_object(body))
    for kind, body in current_bodies(connection, access):
        if (found := release.of(json.decode_object(body))) is not None:
            yield kind, json.encode(found)

"""`chartline restore FILE`: put a backup in the place of the tenant's tables, all of it or nothing (pg_restore)."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, owned_database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store.binaries import tool
from fhir_server.store.database import check


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("file", type=Path, help="what `chartline backup` wrote")
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """0, or pg_restore's own code. Nobody else may use an embedded server meanwhile."""
    with database(settings) if settings.dsn else owned_database(settings) as dsn:
        check(dsn)
        command = [
            tool("pg_restore"),
            f"--dbname={dsn}",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            str(arguments.file),
        ]
        code = subprocess.run(command, check=False).returncode
    say("The backup is restored." if code == 0 else "Nothing was changed.")
    return code

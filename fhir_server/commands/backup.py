"""`chartline backup --out FILE`: the tenant's tables in one file, consistent while the server works (pg_dump, custom format)."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store.binaries import tool


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """0, or pg_dump's own code."""
    with database(settings) as dsn:
        command = [
            tool("pg_dump"),
            f"--dbname={dsn}",
            f"--schema={settings.schema}",
            "--format=custom",
            f"--file={arguments.out}",
        ]
        code = subprocess.run(command, check=False).returncode
    if code == 0:
        arguments.out.chmod(0o600)
        say(f"The backup is in {arguments.out}; it holds records, so keep it as you keep those.")
    return code

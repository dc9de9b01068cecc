"""`chartline fixtures generate`: Synthea patients, seeded; needs the extra `[fixtures]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from fhir_server.commands import Distribution
from fhir_server.commands.running import say
from fhir_server.settings import Settings
from fixtures import generate


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    inner = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    made = inner.add_parser("generate", help="make patients as transaction Bundles")
    made.add_argument("--patients", type=int, default=10, help="how many")
    made.add_argument("--seed", type=int, default=1, help="the same seed makes the same patients")
    made.add_argument("--out", type=Path, required=True, help="folder for the files")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """0, or 1 where the extra is missing (the message names it)."""
    return generate.main(arguments.patients, arguments.seed, arguments.out, say)

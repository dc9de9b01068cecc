"""`chartline doctor`: whether the database, its extensions, its tables and the disk are as they have to be."""

from __future__ import annotations

import argparse

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store.doctor import examine


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    add_flags(parser, "dsn", "data_dir", "schema")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """A line a check; 1 where one of them failed."""
    with database(settings) as dsn:
        findings = examine(settings, dsn, distribution.migrations)
    for finding in findings:
        say(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.text}")
    return 0 if all(finding.ok for finding in findings) else 1

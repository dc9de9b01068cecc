"""`chartline token`: a signed token for trying things out, good for an hour."""

from __future__ import annotations

import argparse

from fhir_server.access.actor import Role
from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.rest.auth import issue_token
from fhir_server.settings import Settings, add_flags


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "--role", choices=[role.value for role in Role], required=True, help="who the token is for"
    )
    parser.add_argument("--patient", default="", help="logical id of the patient in context")
    parser.add_argument(
        "--scope", default="", help="SMART scopes; the role's usual ones where nothing is said"
    )
    add_flags(parser, "dsn", "data_dir", "schema", "base_url")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """Print the token."""
    with database(settings) as dsn:
        service = distribution.make_service(settings, dsn)
        say(issue_token(service, Role(arguments.role), arguments.patient, arguments.scope))
        service.database.close()
    return 0

"""`chartline audit verify`: whether a row of the audit log was removed, changed or moved, and which."""

from __future__ import annotations

import argparse

from fhir_server.commands import Distribution
from fhir_server.commands.running import database, say
from fhir_server.settings import Settings, add_flags
from fhir_server.store import anchor
from fhir_server.store.audit_log import Head, faults, head, seal
from fhir_server.store.database import Database

MOST_SAID = 100


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("action", choices=["verify"])
    parser.add_argument("--head", default="", help="POSITION:HASH of an earlier head, kept elsewhere")
    add_flags(parser, "dsn", "data_dir", "schema", "audit_key", "audit_head")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """0 where everything stands as it was sealed, 1 where not; what is new is sealed first."""
    with database(settings) as dsn:
        opened = Database.open(dsn, settings.schema, size=2, statement_timeout=0)
        try:
            return _verify(opened, settings, arguments.head)
        finally:
            opened.close()


def _verify(opened: Database, settings: Settings, given: str) -> int:
    key, path = settings.audit_key.encode(), anchor.place(settings)
    known = _head(given) if given else anchor.kept(path) if path else None
    with opened.transaction() as connection:
        found = list(faults(connection, key, known))
        end = head(connection)
    for fault in found[:MOST_SAID]:
        say(f"FAIL position {fault.position}, row {fault.row or '?'}: {fault.text}")
    if found:
        say(f"{len(found)} faults in {end.position} rows.")
        return 1
    sealed = _seal_rest(opened, key, settings)
    with opened.transaction() as connection:
        end = head(connection)
    outside = (
        ""
        if known
        else "; no head was kept outside the database, so a tail that was cut off would not be missed"
    )
    say(
        f"ok: {end.position} rows, {sealed} of them sealed now; head {end.position}:{end.hash.hex()}{outside}"
    )
    return 0


def _seal_rest(opened: Database, key: bytes, settings: Settings) -> int:
    """Seal what is new, and keep the head."""
    sealed = 0
    while True:
        with opened.transaction() as connection:
            now = connection.execute("SELECT now()").fetchone()
            assert now is not None
            more = seal(connection, key, now[0], sweep=True)
            if more and (path := anchor.place(settings)):
                anchor.keep(path, head(connection), now[0])
        sealed += more
        if not more:
            return sealed


def _head(text: str) -> Head:
    position, _, digest = text.partition(":")
    return Head(int(position), bytes.fromhex(digest))

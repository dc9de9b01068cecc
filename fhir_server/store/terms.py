"""Terms: texts that stand in index rows as numbers (code systems, units, displays).

They are written in a transaction of their own and never removed: two bundles that bring the same new display do not wait for one
another, and a number that was handed out stays good whatever becomes of the bundle.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from fhir_server.store.database import Database

REMEMBERED = 200_000
"""Texts whose numbers one process keeps in memory (about 30 MB)."""

_WRITE = """
INSERT INTO term (text) SELECT u.text FROM unnest(%s::text[]) AS u (text)
WHERE NOT EXISTS (SELECT FROM term t WHERE md5(t.text) = md5(u.text)) ON CONFLICT DO NOTHING
"""
_READ = "SELECT t.text, t.id FROM unnest(%s::text[]) AS u (text) JOIN term t ON md5(t.text) = md5(u.text)"


class Terms:
    """The numbers of texts; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, int] = {}
        self._lock = threading.Lock()

    def numbers(self, texts: Iterable[str]) -> dict[str, int]:
        """Every text's number, made where it has none."""
        wanted = set(texts)
        missing = [text for text in wanted if text not in self._known]
        if missing:
            self._learn(sorted(missing))
        return self._known

    def _learn(self, missing: list[str]) -> None:
        with self._lock, self._database.apart() as connection:
            if len(self._known) > REMEMBERED:
                self._known = {}
            self._known.update(_stored(connection, missing))


def _stored(connection: Connection[Any], texts: list[str]) -> dict[str, int]:
    connection.execute(_WRITE, (texts,))
    return dict(connection.execute(_READ, (texts,)).fetchall())

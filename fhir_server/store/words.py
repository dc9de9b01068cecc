"""Words: the rows that full text is searched in, one for each text that some resource says.

Like terms they are written in a transaction of their own and never removed, so two bundles that say the same do not wait for one another. That
transaction does not wait for the disk: the caller's commit, which comes later in the same log, does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from fhir_server.search import words
from fhir_server.store.database import Database

REMEMBERED = 500_000
"""Keys that one process knows to be stored (about 40 MB)."""

_WRITE = """
INSERT INTO words (key, vector)
SELECT u.key, u.vector::tsvector FROM unnest(%s::bigint[], %s::text[]) AS u (key, vector),
    (SELECT set_config('synchronous_commit', 'off', true)) AS quick
WHERE NOT EXISTS (SELECT FROM words w WHERE w.key = u.key) ORDER BY u.key ON CONFLICT DO NOTHING
"""

Keys = tuple[int | None, int | None]
"""Of the narrative, and of the whole content."""


class Words:
    """Gives texts their keys; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[int] = set()
        self._lock = threading.Lock()

    def keys(self, said: Sequence[tuple[str, bytes | None]]) -> list[Keys]:
        """The keys of (narrative, JSON body) pairs; what was never said before is written down."""
        new: dict[int, list[bytes]] = {}
        found = [
            (
                self._key([words.escaped(narrative)], new) if narrative else None,
                self._key(words.texts(body), new) if body else None,
            )
            for narrative, body in said
        ]
        if new:
            self._learn(new)
        return found

    def _key(self, texts: list[bytes], new: dict[int, list[bytes]]) -> int | None:
        key = words.key(texts)
        if key is not None and key not in self._known:
            new[key] = texts
        return key

    def _learn(self, new: Mapping[int, list[bytes]]) -> None:
        keys = sorted(new)
        with self._lock, self._database.apart() as connection:
            connection.execute(_WRITE, (keys, [words.vector(new[key]) for key in keys]))
            if len(self._known) > REMEMBERED:
                self._known = set()
            self._known.update(keys)

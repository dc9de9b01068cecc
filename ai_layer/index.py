"""The WriteHook that keeps passages: written, replaced and removed in the transaction of their resources.

Only texts that no passage had before are embedded. They are written apart from the resource's transaction and never removed: a text
holds no date, number or name, and two bundles that bring the same one do not wait for each other.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from ai_layer.embed import Embedder
from ai_layer.passages import KINDS, Passage, passage_of
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.store.database import Database
from fhir_server.store.hooks import Change

REMEMBERED = 200_000
_COLUMNS = "rid, patient, hash, time, value, type, system, code, status, label, unit"
_COPY = f"COPY passage ({_COLUMNS}) FROM STDIN"
_ADD = f"INSERT INTO passage ({_COLUMNS}) VALUES ({', '.join(['%s'] * 11)})"
_KNOWN = "SELECT hash FROM passage_text WHERE hash = ANY(%s)"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('chartline embed', 0))"
_TEXT = "INSERT INTO passage_text (hash, text, embedding) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


class PassageIndex:
    """One a process; it remembers which texts have their vector."""

    tables: tuple[str, ...] = ("passage",)

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._known: set[bytes] = set()
        self._lock = threading.Lock()

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """Bring the passages in line with these changes."""
        concerned = [change for change in changes if change.type in KINDS]
        found = [(change, passage) for change in concerned if (passage := self._passage(change))]
        if found:
            hashes = self._embedded(connection, {passage.text for _, passage in found})
            _insert(connection, [_row(change, passage, hashes[passage.text]) for change, passage in found])

    def _passage(self, change: Change) -> Passage | None:
        if change.resource is None or not change.patients:
            return None
        return passage_of(change.resource)

    def _embedded(self, connection: Connection[Any], texts: set[str]) -> dict[str, bytes]:
        """The texts' hashes; each has its vector in the store afterwards."""
        hashes = {text: self.hash_of(text) for text in texts}
        missing = {hash: text for text, hash in hashes.items() if hash not in self._known}
        if missing:
            with self._lock:
                self._learn(connection, missing)
        return hashes

    def hash_of(self, text: str) -> bytes:
        """What a text is known by: another model gives it another vector, and so another hash."""
        return hashlib.sha256(f"{self.embedder.model_id}\n{text}".encode()).digest()

    def _learn(self, connection: Connection[Any], missing: dict[bytes, str]) -> None:
        if len(_stored(connection, missing)) < len(missing):
            with Database.beside(connection) as apart, apart.transaction():
                # One process embeds at a time: the others wait, and find the texts that they have in common done.
                apart.execute(_LOCK)
                stored = _stored(apart, missing)
                self._embed(apart, {hash: text for hash, text in missing.items() if hash not in stored})
        if len(self._known) > REMEMBERED:
            self._known = set()
        self._known |= missing.keys()

    def _embed(self, apart: Connection[Any], new: dict[bytes, str]) -> None:
        vectors = self.embedder.embed(list(new.values())) if new else []
        rows = [(h, t, str(v.tolist())) for (h, t), v in zip(new.items(), vectors, strict=True)]
        with apart.cursor() as cursor:
            cursor.executemany(_TEXT, rows)


def _stored(connection: Connection[Any], hashes: Iterable[bytes]) -> set[bytes]:
    return {bytes(hash) for (hash,) in connection.execute(_KNOWN, (list(hashes),)).fetchall()}


def _insert(connection: Connection[Any], rows: list[tuple[Any, ...]]) -> None:
    """COPY for many; one row goes in one round trip less."""
    if len(rows) == 1:
        connection.execute(_ADD, rows[0])
        return
    with connection.cursor().copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


def _row(change: Change, passage: Passage, hash: bytes) -> tuple[Any, ...]:
    p = passage
    kind = TYPE_CODE[change.type]
    return (
        change.rid,
        change.patients[0],
        hash,
        p.time,
        p.value,
        kind,
        p.system,
        p.code,
        p.status,
        p.label,
        p.unit,
    )

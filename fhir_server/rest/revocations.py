"""Tokens that were given back: known here at once, and in every other process within REREAD_AFTER.

https://www.rfc-editor.org/rfc/rfc7009
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fhir_server.rest.keys import NEVER
from fhir_server.rest.tokens import Token
from fhir_server.store import access as store
from fhir_server.store.database import Database

REREAD_AFTER = timedelta(seconds=5)


@dataclass
class Revocations:
    """The ids of the revoked tokens that have not expired by themselves."""

    database: Database
    clock: Callable[[], datetime]
    _ids: frozenset[str] = frozenset()
    _read_at: datetime = NEVER
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def holds(self, jti: str) -> bool:
        """Whether the token with this id was revoked."""
        if self.clock() - self._read_at >= REREAD_AFTER:
            self._read()
        return jti in self._ids or jti.partition(".")[0] in self._ids

    def revoke(self, token: Token) -> None:
        """From now on it does not count."""
        self.revoke_family(token.jti, token.expires_at)

    def revoke_family(self, name: str, expires_at: datetime) -> None:
        """No token whose id is this name, or starts with it and a dot, counts any more."""
        with self.database.transaction() as connection:
            store.revoke(connection, name, expires_at, self.clock())
        self._read()

    def _read(self) -> None:
        with self._lock, self.database.transaction() as connection:
            self._ids = store.revoked(connection, self.clock())
            self._read_at = self.clock()

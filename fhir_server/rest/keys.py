"""The keys that tokens are signed with: made once, kept in the database, replaced in time.

The newest signs, all that have not expired verify, the public halves are published (JWKS). https://www.rfc-editor.org/rfc/rfc7517
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import KeySet, RSAKey

from fhir_server.interactions.context import now as current_time
from fhir_server.store import access as store
from fhir_server.store.access import StoredKey
from fhir_server.store.database import Database

# RS256 verifies in 0.03 ms here, ES384 in 0.37 ms, and each request verifies once
ALGORITHM = "RS256"
KEY_BITS = 2048

SIGNS_FOR = timedelta(days=30)
VERIFIES_FOR = timedelta(days=90)
REREAD_AFTER = timedelta(seconds=60)
LOOK_AGAIN_AFTER = timedelta(seconds=1)
NEVER = datetime.min.replace(tzinfo=UTC)


def make_key(now: datetime) -> StoredKey:
    """A new private key; its id is its thumbprint (RFC 7638)."""
    key = RSAKey.generate_key(KEY_BITS, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return StoredKey(str(key.kid), json.dumps(key.as_dict(private=True)), now, now + VERIFIES_FOR)


@dataclass
class KeyRing:
    """The keys of one server, read again now and then, as another process may have made a new one."""

    database: Database
    clock: Callable[[], datetime] = current_time
    _keys: dict[str, RSAKey] = field(default_factory=dict, repr=False)
    _newest: StoredKey | None = field(default=None, repr=False)
    _read_at: datetime = NEVER
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def signing(self) -> RSAKey:
        """The key that signs; a new one where there is none, or it has grown old."""
        self._refresh(REREAD_AFTER)
        if self._newest is None or self._newest.made_at + SIGNS_FOR <= self.clock():
            self._renew()
        assert self._newest is not None
        return self._keys[self._newest.kid]

    def verifying(self, kid: str) -> RSAKey | None:
        """The key of this id, where it has not expired. An unknown id looks into the database, but not more than once a second."""
        self._refresh(REREAD_AFTER)
        if kid not in self._keys:
            self._refresh(LOOK_AGAIN_AFTER)
        return self._keys.get(kid)

    def public(self) -> dict[str, Any]:
        """The JSON Web Key Set of the public halves."""
        self.signing()
        return {"keys": list(KeySet(list(self._keys.values())).as_dict(private=False)["keys"])}

    def _refresh(self, age: timedelta) -> None:
        if self.clock() - self._read_at < age:
            return
        with self._lock, self.database.transaction() as connection:
            self._take(store.keys(connection, self.clock()))

    def _renew(self) -> None:
        with self._lock, self.database.transaction() as connection:
            store.lock_keys(connection)
            found = store.keys(connection, self.clock())
            if not found or found[0].made_at + SIGNS_FOR <= self.clock():
                store.add_key(connection, make_key(self.clock()))
                found = store.keys(connection, self.clock())
            self._take(found)

    def _take(self, found: list[StoredKey]) -> None:
        self._keys = {
            key.kid: self._keys.get(key.kid) or RSAKey.import_key(json.loads(key.jwk)) for key in found
        }
        self._newest = found[0] if found else None
        self._read_at = self.clock()

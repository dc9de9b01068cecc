"""Packages that were loaded, and the definitions that users and packages have stored, for the library of profiles and its value sets.

Definitions say nothing of a patient: they are read for every request alike, whoever asks. https://hl7.org/fhir/R4/packages.html
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.store.bodies import decompress
from fhir_server.store.database import Database
from fhir_server.store.hooks import Change

CHECKED_EVERY = 2.0
"""Seconds for which a process trusts what it knows of the definitions that others write."""

_REMEMBER = """
INSERT INTO package (name, version, loaded) VALUES (%s, %s, %s)
ON CONFLICT (name, version) DO NOTHING
"""
_STATE = "SELECT count(*), sum(version) FROM resource WHERE type = %s"
"""Any write or delete raises the sum. Reads the narrow rows of one type: 0.3 ms for the 600 definitions of R4."""
_URLS = """
SELECT u.value, u.rid FROM uri_index u JOIN resource r ON r.rid = u.rid
WHERE u.param = %s AND r.body IS NOT NULL
"""
_PROFILES = """
SELECT DISTINCT t.value, u.value FROM uri_index u JOIN uri_index t ON t.rid = u.rid AND t.param = %s
JOIN resource r ON r.rid = u.rid
WHERE u.param = %s AND r.body IS NOT NULL ORDER BY t.value, u.value
"""
_HAVING = """
SELECT r.body FROM uri_index u JOIN resource r ON r.rid = u.rid
WHERE u.param = %s AND u.value = %s AND r.body IS NOT NULL ORDER BY r.rid
"""
_BY_ID = "SELECT body FROM resource WHERE type = %s AND id = %s AND body IS NOT NULL"
_BODIES = "SELECT body FROM resource WHERE rid = ANY(%s) AND body IS NOT NULL"


def loaded(connection: Connection[Any]) -> dict[str, set[str]]:
    """Name -> versions of the packages that were loaded."""
    found: dict[str, set[str]] = {}
    for name, version in connection.execute("SELECT name, version FROM package").fetchall():
        found.setdefault(name, set()).add(version)
    return found


def profiles(connection: Connection[Any], type_param: int, url_param: int) -> dict[str, list[str]]:
    """Type -> canonical URLs of the stored StructureDefinitions of it."""
    found: dict[str, list[str]] = {}
    for kind, url in connection.execute(_PROFILES, (type_param, url_param)).fetchall():
        found.setdefault(kind, []).append(url)
    return found


def remember(connection: Connection[Any], name: str, version: str, now: datetime) -> None:
    """The package is loaded from now on."""
    connection.execute(_REMEMBER, (name, version, now))


class StoredDefinitions:
    """A shelf of profiles.Library: stored definitions of one type by canonical URL; safe to share between threads.

    `param`: the number of the type's search parameter `url`, whose index rows say what there is.
    """

    tables: tuple[str, ...] = ()

    def __init__(self, database: Database, resource_type: str, param: int) -> None:
        self._database, self._type, self._param = database, TYPE_CODE[resource_type], param
        self._lock = threading.Lock()
        self._checked = self._written = float("-inf")
        self._state: Any = None
        self._edition = 0
        self._rids: dict[str, list[int]] = {}

    @property
    def edition(self) -> int:
        """Changes with every write of such a definition: at once with this process's own, others' at most CHECKED_EVERY seconds late."""
        now = time.monotonic()
        if now - self._checked > self._trusted_for() or now - self._written < CHECKED_EVERY:
            self._check()
        return self._edition

    def definition(self, url: str, version: str) -> dict[str, Any] | None:
        """The one of this version; without a version, the highest."""
        rids = self._rids.get(url)
        if not rids:
            return None
        with self._database.apart() as connection:
            rows = connection.execute(_BODIES, (rids,)).fetchall()
        found = [json.decode_object(decompress(row[0])) for row in rows]
        fitting = [one for one in found if version in ("", one.get("version"))]
        return max(fitting, key=lambda one: _order(str(one.get("version", ""))), default=None)

    def urls(self) -> list[str]:
        """The canonicals that there are."""
        return list(self._rids) if self.edition else []

    def by_id(self, logical_id: str) -> dict[str, Any] | None:
        """The one with this id."""
        with self._database.apart() as connection:
            row = connection.execute(_BY_ID, (self._type, logical_id)).fetchone()
        return json.decode_object(decompress(row[0])) if row else None

    def having(self, param: int, value: str) -> list[dict[str, Any]]:
        """Those of whom the parameter (of type uri) has the value; of the versions of a canonical the highest."""
        with self._database.apart() as connection:
            rows = connection.execute(_HAVING, (param, value)).fetchall()
        found = (json.decode_object(decompress(row[0])) for row in rows)
        kept: dict[str, dict[str, Any]] = {}
        for number, one in enumerate(found):
            key = str(one.get("url", number))
            if key not in kept or _order(str(one.get("version", ""))) > _order(
                str(kept[key].get("version", ""))
            ):
                kept[key] = one
        return list(kept.values())

    def _trusted_for(self) -> float:
        return CHECKED_EVERY

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """The WriteHook: the transaction ends soon, so the next questions look again."""
        if any(TYPE_CODE[change.type] == self._type for change in changes):
            self._written = time.monotonic()

    def _check(self) -> None:
        with self._lock, self._database.apart() as connection:
            state = connection.execute(_STATE, (self._type,)).fetchone()
            if state != self._state:
                rids: dict[str, list[int]] = {}
                for url, rid in connection.execute(_URLS, (self._param,)).fetchall():
                    rids.setdefault(url, []).append(rid)
                self._rids, self._state, self._edition = rids, state, self._edition + 1
            self._checked = time.monotonic()


class StoredMaps(StoredDefinitions):
    """Stored ConceptMaps, known at once, and found by the code systems too; `source` and `target`: the numbers of those search parameters."""

    def __init__(self, database: Database, param: int, source: int, target: int) -> None:
        super().__init__(database, "ConceptMap", param)
        self._source, self._target = source, target

    def between(self, system: str, *, is_target: bool) -> list[dict[str, Any]]:
        """Those with a group out of (or into) the code system."""
        return self.having(self._target if is_target else self._source, system)

    def _trusted_for(self) -> float:
        return 0.0


def _order(version: str) -> list[tuple[int, int, str]]:
    """3.1.1 before 10.0.0; a word behind numbers."""
    return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in re.split(r"[.\-+]", version)]

"""The search parameters in force: R4's own and what users have stored, the same for every process.

Whoever writes asks in its transaction which edition holds (hold_parameters), so that no resource misses a parameter; whoever searches
looks now and then, and once more before a parameter is called unknown. https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from fhir_server.r4.definitions import SearchParameter
from fhir_server.r4.outcome import FhirError
from fhir_server.search.custom import definitions_of
from fhir_server.search.index import Indexer
from fhir_server.search.parameters import Registry, build
from fhir_server.search.ranking import NoRanker, Ranker
from fhir_server.store.database import Database
from fhir_server.store.hooks import Change

CHECKED_EVERY = 1.0
"""Seconds for which a process that only searches trusts what it knows."""
DEFINES = "SearchParameter"
_HOLD = "SELECT hold_parameters(%s)"
_EDITION = "SELECT edition FROM parameter_edition"
_ROWS = """
SELECT number, base, code, type, expression, targets, components, url, config FROM search_parameter ORDER BY number
"""
_PENDING = "SELECT number FROM pending_parameter"
_HELD = """
SELECT number, base, code, type, expression, targets, components, url, config FROM search_parameter WHERE definer = %s
"""
_ADD = """
WITH made AS (
    INSERT INTO search_parameter (number, definer, base, code, type, expression, targets, components, url, config)
    VALUES (nextval('parameter_number'), %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (base, code) DO NOTHING RETURNING number
)
INSERT INTO pending_parameter SELECT number FROM made
"""
_REMOVE = """
WITH gone AS (DELETE FROM search_parameter WHERE number = ANY(%s) RETURNING number)
DELETE FROM pending_parameter p USING gone WHERE p.number = gone.number
"""
_READY = "DELETE FROM pending_parameter WHERE number = ANY(%s)"
_CHANGE = "UPDATE parameter_edition SET edition = nextval('parameter_change')"


class Parameters:
    """Registry and Indexer of the edition that this process knows; safe to share between threads."""

    def __init__(self, database: Database, ranker: Ranker | None = None) -> None:
        self._database = database
        self.ranker: Ranker = ranker or NoRanker()
        self._lock = threading.Lock()
        with database.apart() as connection:
            self._now = self._load(connection)
        self._checked = time.monotonic()

    @property
    def registry(self) -> Registry:
        """For searches; at most CHECKED_EVERY late."""
        if time.monotonic() - self._checked > CHECKED_EVERY:
            self.look()
        return self._now[0]

    @property
    def held(self) -> Registry:
        """For who writes, behind `hold`."""
        return self._now[0]

    def look(self) -> bool:
        """See what others have changed; whether it is something new."""
        before = self._now[0].edition
        with self._database.apart() as connection:
            row = connection.execute(_EDITION).fetchone()
            self._checked = time.monotonic()
            return self._at(connection, row)[0].edition != before

    def hold(self, connection: Connection[Any], *, changes: bool) -> Indexer:
        """The Indexer that holds until the transaction ends; `changes`: it writes parameters itself, while nobody else writes."""
        return self._at(connection, connection.execute(_HOLD, (changes,)).fetchone())[1]

    def _at(self, connection: Connection[Any], row: Sequence[Any] | None) -> tuple[Registry, Indexer]:
        found = self._now
        if row is None or found[0].edition == row[0]:
            return found
        with self._lock:
            found = self._now = self._load(connection)
        return found

    def _load(self, connection: Connection[Any]) -> tuple[Registry, Indexer]:
        row = connection.execute(_EDITION).fetchone()
        pending = {number for (number,) in connection.execute(_PENDING).fetchall()}
        stored = [_definition(*row) for row in connection.execute(_ROWS).fetchall()]
        registry = build([*self.ranker.parameters, *stored], pending, row[0] if row else 0)
        return registry, Indexer(registry)


def _definition(number: int, *columns: Any) -> SearchParameter:
    base, code, kind, expression, targets, components, url, config = columns
    parts, said = (tuple((name, text) for name, text in pairs) for pairs in (components, config))
    return SearchParameter(number, base, code, kind, expression, tuple(targets), parts, url, said)


class ParameterHook:
    """The WriteHook that puts stored SearchParameters into force, and takes out what is deleted or no longer active."""

    tables: tuple[str, ...] = ()

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """What cannot be carried out is stored all the same; the interactions have said so."""
        concerned = [change for change in changes if change.type == DEFINES]
        changed = [self._defined(connection, change) for change in concerned]
        if any(changed):
            connection.execute(_CHANGE)

    def _defined(self, connection: Connection[Any], change: Change) -> bool:
        wanted = set(_wanted(change, self._parameters))
        held = {_unnumbered(row): row[0] for row in connection.execute(_HELD, (change.rid,)).fetchall()}
        gone = [number for definition, number in held.items() if definition not in wanted]
        if gone:
            connection.execute(_REMOVE, (gone,))
        added = 0
        for new in wanted - held.keys():
            parts, config = Jsonb(new.components), Jsonb(new.config)
            values = (new.base, new.code, new.type, new.expression, list(new.targets), parts, new.url, config)
            added += connection.execute(_ADD, (change.rid, *values)).rowcount
        return bool(gone or added)


def _wanted(change: Change, parameters: Parameters) -> list[SearchParameter]:
    registry, config = parameters.registry, parameters.ranker.config
    try:
        return definitions_of(change.resource, registry, config) if change.resource else []
    except FhirError:
        return []


def _unnumbered(row: Sequence[Any]) -> SearchParameter:
    return _definition(0, *row[1:])


def make_ready(connection: Connection[Any], numbers: Sequence[int]) -> None:
    """Every stored resource is indexed by these now."""
    connection.execute(_HOLD, (True,))
    if connection.execute(_READY, (list(numbers),)).rowcount:
        connection.execute(_CHANGE)

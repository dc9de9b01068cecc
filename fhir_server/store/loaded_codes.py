"""Code systems that were loaded, as the Catalog asks for them: each question is one statement, whatever the size of the system.

Where no version is named the latest counts; `http://snomed.info/sct/<module>` names the latest of an edition.
https://hl7.org/fhir/R4/terminology-service.html and https://hl7.org/fhir/R4/snomedct.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from psycopg import sql
from psycopg.errors import InvalidRegularExpression

from fhir_server.store import packages
from fhir_server.store.code_filters import Condition, Scope, condition
from fhir_server.store.database import Database
from terminology.codes.concept import CannotTell, Concept, Filter
from terminology.codes.filters import TEXT, says

MOST_KEPT = 30_000
"""Concepts of earlier answers that stay in memory, for the pages of a list that somebody turns."""

_LISTED: LiteralString = "c.code, c.display, c.parents, c.is_inactive, c.designations"
"""What a list shows of a concept."""
_COLUMNS: LiteralString = f"{_LISTED}, c.definition, c.properties"
_STATE = "SELECT coalesce(max(number), 0), count(*) FROM code_release"
_RELEASE = """
SELECT number, url, version, name, is_case_sensitive, loaded FROM code_release
WHERE url = %(url)s AND (%(version)s = '' OR version = %(version)s OR edition = %(version)s)
ORDER BY version_order DESC, number DESC LIMIT 1
"""
_VERSIONS = "SELECT url, version FROM code_release ORDER BY url, version_order DESC, number DESC"
_FIND = f"SELECT {_COLUMNS} FROM code_concept c WHERE c.release = %s AND c.code = ANY(%s)"
_ABOVE = """
WITH RECURSIVE up (code) AS (
    SELECT unnest(parents) FROM code_concept WHERE release = %(release)s AND code = %(code)s
    UNION SELECT unnest(c.parents) FROM up JOIN code_concept c ON c.release = %(release)s AND c.code = up.code
) SELECT code FROM up
"""
_CHILDREN = "SELECT child FROM code_edge WHERE release = %s AND parent = %s ORDER BY child"


class LoadedSystems:
    """The Loaded of a Catalog; safe to share between threads. `edition` is at most packages.CHECKED_EVERY seconds late."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._checked = float("-inf")
        self._state: Any = (0, 0)
        self._edition = 0

    @property
    def edition(self) -> int:
        """Changes with every load."""
        if time.monotonic() - self._checked > packages.CHECKED_EVERY:
            with self._lock, self._database.apart() as connection:
                state = connection.execute(_STATE).fetchone()
                if state != self._state:
                    self._state, self._edition = state, self._edition + 1
                self._checked = time.monotonic()
        return self._edition

    def versions(self) -> dict[str, list[str]]:
        """URL -> its versions, the latest first."""
        found: dict[str, list[str]] = {}
        with self._database.apart() as connection:
            for url, version in connection.execute(_VERSIONS).fetchall():
                found.setdefault(url, []).append(version)
        return found

    def system(self, url: str, version: str) -> LoadedSystem | None:
        """The version; without one, the latest."""
        if self._state == (0, 0):
            return None
        with self._database.apart() as connection:
            row = connection.execute(_RELEASE, {"url": url, "version": version}).fetchone()
        return LoadedSystem(self._database, *row) if row else None


class LoadedSystem:
    """A System in tables."""

    content, note, is_listable = "complete", "", True

    def __init__(
        self, database: Database, number: int, url: str, version: str, name: str, is_strict: bool, loaded: Any
    ) -> None:
        self._database, self._number, self._is_strict = database, number, is_strict
        self.url, self.version, self.name = url, version, name
        self._lock = threading.Lock()
        self._kept: dict[tuple[tuple[Filter, ...], int], list[Concept]] = {}
        self.date = loaded.date().isoformat()

    def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        """See System."""
        asked = {code: self._folded(code) for code in codes}
        rows = self._rows(_FIND, (self._number, list(asked.values())))
        known = {row[0]: _concept(row) for row in rows}
        return {code: known[own] for code, own in asked.items() if own in known}

    def select(self, filters: Sequence[Filter], only: str | None, at_most: int) -> list[Concept]:
        """See System. Concepts come without definition and properties, which no list shows."""
        key = (tuple(filters), at_most)
        if only is not None:
            return self._select(filters, only, at_most)
        with self._lock:
            if key in self._kept:
                return list(self._kept[key])
        found = self._select(filters, None, at_most)
        if len(found) < MOST_KEPT:
            self._keep(key, found)
        return list(found)

    def _keep(self, key: tuple[tuple[Filter, ...], int], found: list[Concept]) -> None:
        """In place of the oldest, as far as there has to be room; an empty answer counts too."""
        with self._lock:
            self._kept[key] = found
            while sum(len(kept) + 1 for kept in self._kept.values()) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]

    def _select(self, filters: Sequence[Filter], only: str | None, at_most: int) -> list[Concept]:
        scope = Scope(
            self.url, self._number, self._is_strict, self._folded(only) if only is not None else None
        )
        where = [Condition(sql.SQL("c.release = %s"), (self._number,))]
        if scope.only is not None:
            where.append(Condition(sql.SQL("c.code = %s"), (scope.only,)))
        where += [condition(scope, each) for each in filters]
        statement = sql.SQL("SELECT {} FROM code_concept c WHERE {} ORDER BY c.position LIMIT %s").format(
            sql.SQL(_LISTED), sql.SQL(" AND ").join(each.text for each in where)
        )
        values = [value for each in where for value in each.values]
        found = [_concept(row) for row in self._rows(statement, (*values, at_most + 1))]
        if len(found) > at_most:
            raise CannotTell("too-costly", f"More than {at_most} codes of {self.url}.")
        texts = [each.value for each in filters if each.op == TEXT]
        return [concept for concept in found if all(says(concept, text) for text in texts)]

    def above(self, code: str) -> list[str]:
        """See System."""
        return [row[0] for row in self._rows(_ABOVE, {"release": self._number, "code": self._folded(code)})]

    def children(self, code: str) -> list[str]:
        """See System."""
        return [row[0] for row in self._rows(_CHILDREN, (self._number, self._folded(code)))]

    def _folded(self, code: str) -> str:
        return code if self._is_strict else code.upper()

    def _rows(self, statement: LiteralString | sql.Composed, values: Any) -> list[tuple[Any, ...]]:
        with self._database.apart() as connection:
            try:
                return connection.execute(statement, values).fetchall()
            except InvalidRegularExpression:
                raise CannotTell("invalid", "A filter's regular expression is not well-formed.") from None


def _concept(row: tuple[Any, ...]) -> Concept:
    code, display, parents, is_inactive, designations, *more = row
    definition, properties = more or ("", ())
    return Concept(
        code, display, definition, tuple(parents), False, is_inactive, tuple(designations), tuple(properties)
    )

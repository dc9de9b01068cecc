"""Context: who asks, under which Access, and the means to answer; time, ids and connections come from here.

Result: what an interaction gives back, before anybody thinks of HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from psycopg import Connection, DataError
from uuid_utils import uuid7

from fhir_server.access.decide import Access
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.profiles.binding import CodesOfSets, CompiledSets
from fhir_server.r4.profiles.levels import Levels
from fhir_server.r4.profiles.library import Library
from fhir_server.search.compile import CodesOf, Compiler, no_codes
from fhir_server.search.parameters import Registry
from fhir_server.search.parse import Limits
from fhir_server.settings import Settings
from fhir_server.store.database import Database
from fhir_server.store.identities import Identity
from fhir_server.store.write import Applied, Write, Writer


def now() -> datetime:
    """UTC, to the millisecond, which is what an instant in FHIR's JSON shows."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)


def new_id() -> str:
    """A UUIDv7: later ids sort later, which keeps the index small."""
    return str(uuid7())


class OperationTable(Protocol):
    """The operations of this server; operations.registry has the real one, one layer above."""

    all: tuple[Any, ...]

    def find(self, code: str, resource_type: str, *, instance: bool) -> Any: ...


class NoOperations:
    """A server without operations."""

    all: tuple[Any, ...] = ()

    def find(self, code: str, resource_type: str, *, instance: bool) -> Any:
        """Nothing."""
        return None


def no_call(context: Context, request: Any) -> Any:
    """Where no operation can be called."""
    raise FhirError(Problem.NO_ROUTE, "There is no operation at this address.")


@dataclass(slots=True)
class Service:
    """What lives as long as the process: one Database, one Registry, one Writer."""

    settings: Settings
    database: Database
    registry: Registry
    writer: Writer
    cursor_key: bytes
    clock: Callable[[], datetime] = now
    new_id: Callable[[], str] = new_id
    codes_of: CodesOf = no_codes
    library: Library = field(default_factory=Library)
    levels: Levels = field(default_factory=Levels)
    sets: CodesOfSets = field(default_factory=CompiledSets)
    operations: OperationTable = field(default_factory=lambda: NoOperations())
    call: Callable[[Context, Any], Any] = no_call
    started: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Context:
    """One request: its Access, its base URL, and the running transaction where it is part of one."""

    service: Service
    access: Access
    base: str
    lenient: bool = False
    connection: Connection[Any] | None = None
    seen: dict[Identity, int] = field(default_factory=dict)
    request_id: str = ""

    @contextmanager
    def connect(self) -> Iterator[Connection[Any]]:
        """The running transaction's connection, or one of its own for as long as the block lasts.

        Raises BAD_REQUEST for a value that the database cannot hold."""
        if self.connection is not None:
            yield self.connection
            return
        self.seen.clear()  # of an attempt that came to nothing
        try:
            with self.service.database.transaction() as connection:
                yield connection
        except DataError:
            raise FhirError(Problem.BAD_REQUEST, "A value lies outside what the database can hold.") from None
        self.service.writer.identities.remember(self.seen)

    @contextmanager
    def transaction(self) -> Iterator[Context]:
        """This context inside one transaction: whatever is done with it commits together."""
        with self.connect() as connection:
            yield replace(self, connection=connection)

    def apply(self, connection: Connection[Any], writes: list[Write]) -> Applied:
        """Write under this context's clock."""
        applied = self.service.writer.apply(connection, writes, self.now())
        self.seen.update(applied.rids)
        return applied

    def require_visible(self, resource_type: str, logical_id: str) -> None:
        """Raises FORBIDDEN where the resource is there but this Access does not reach it: nobody writes what he may not read."""
        allowed = self.access.on("r")
        if allowed.text == "TRUE" or self.connection is None:
            return
        query = (
            f"SELECT ({allowed.text}) FROM resource r WHERE r.type = %s AND r.id = %s AND r.body IS NOT NULL"
        )
        row = self.connection.execute(
            query, (*allowed.values, TYPE_CODE[resource_type], logical_id)
        ).fetchone()
        if row is not None and not row[0]:
            raise FhirError(Problem.FORBIDDEN, "This token does not permit the write.")

    def now(self) -> datetime:
        """The clock's time."""
        return self.service.clock()

    @property
    def limits(self) -> Limits:
        """Page sizes of the settings."""
        return Limits(self.service.settings.page_size, self.service.settings.max_page_size)

    def compiler(self) -> Compiler:
        """A compiler of search conditions under this context's Access."""
        return Compiler(self.access, self.now(), self.base, self.service.codes_of)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an interaction. `body` is JSON as stored or composed; `location` is relative to the base.

    `is_write`: it was asked to write; `changed`: it made a version.
    """

    status: int
    body: bytes | None = None
    type: str = ""
    id: str = ""
    version: int = 0
    last_updated: datetime | None = None
    location: str = ""
    outcome: dict[str, Any] | None = None
    is_write: bool = False
    changed: bool = False

    @property
    def etag(self) -> str:
        """`W/"n"`, or nothing where there is no version."""
        return f'W/"{self.version}"' if self.version else ""

"""Context: who asks, under which Access, and the means to answer; time, ids and connections come from here.

Result: what an interaction gives back, before anybody thinks of HTTP.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from psycopg import Connection, DataError
from uuid_utils import uuid7

from fhir_server.access.decide import Access
from fhir_server.access.deed import Deed, Shown
from fhir_server.r4.concept_maps import ConceptMaps
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.profiles.binding import CodesOfSets, CompiledSets
from fhir_server.r4.profiles.levels import Levels
from fhir_server.r4.profiles.library import Library
from fhir_server.r4.reference import local_references
from fhir_server.search.compile import CodesOf, Compiler, no_codes
from fhir_server.search.parameters import Registry
from fhir_server.search.parse import Limits
from fhir_server.settings import Settings
from fhir_server.store.database import Database
from fhir_server.store.identities import Identity
from fhir_server.store.parameters import Parameters
from fhir_server.store.read import several
from fhir_server.store.trail import Trail
from fhir_server.store.write import Applied, Write, Writer, not_there
from terminology.codes.catalog import Catalog, Shelves


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
    """What lives as long as the process: one Database, its Parameters, one Writer."""

    settings: Settings
    database: Database
    parameters: Parameters
    writer: Writer
    cursor_key: bytes
    clock: Callable[[], datetime] = now
    new_id: Callable[[], str] = new_id
    codes_of: CodesOf = no_codes
    library: Library = field(default_factory=Library)
    levels: Levels = field(default_factory=Levels)
    sets: CodesOfSets = field(default_factory=CompiledSets)
    maps: ConceptMaps = field(default_factory=ConceptMaps)
    catalog: Catalog = field(default_factory=lambda: Catalog(Shelves(), Shelves()))
    operations: OperationTable = field(default_factory=lambda: NoOperations())
    call: Callable[[Context, Any], Any] = no_call
    started: datetime = field(default_factory=now)
    counters: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""
        return self.parameters.registry


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
    trail: Trail | None = field(default_factory=Trail)

    @contextmanager
    def connect(self) -> Iterator[Connection[Any]]:
        """The running transaction's connection, or one of its own for as long as the block lasts.

        Raises BAD_REQUEST for a value that the database cannot hold."""
        if self.connection is not None:
            yield self.connection
            return
        self.seen.clear()  # of an attempt that came to nothing
        try:
            with self._told(), self.service.database.transaction() as connection:
                yield connection
                if self.trail:
                    self.trail.write(connection)
        except DataError:
            raise FhirError(Problem.BAD_REQUEST, "A value lies outside what the database can hold.") from None
        self.service.writer.identities.remember(self.seen)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What came to nothing leaves nothing on the trail."""
        state = self.trail.state() if self.trail else None
        try:
            yield
        except BaseException:
            if self.trail and state:
                self.trail.back_to(state)
            raise

    @contextmanager
    def transaction(self) -> Iterator[Context]:
        """This context inside one transaction: whatever is done with it commits together."""
        with self.connect() as connection:
            yield replace(self, connection=connection)

    def apply(self, connection: Connection[Any], writes: list[Write], interaction: str = "") -> Applied:
        """Write under this context's clock, and record it."""
        if self.service.writer.enforce_references:
            self._require_reached(connection, writes)
        applied = self.service.writer.apply(connection, writes, self.now())
        self.seen.update(applied.rids)
        if self.trail:
            self.trail.has_written = True
            for name, group in _by_interaction(writes, interaction).items():
                what = f"{group[0].type}/{group[0].id}" if len(group) == 1 else ""
                self.record(name, what, shown=[(w.rid, w.version) for w in group if w.rid])
        return applied

    def record(
        self, interaction: str, what: str = "", query: str = "", shown: Sequence[Shown] = (), **more: Any
    ) -> None:
        """Put a deed of this context's actor on the trail: it is written with the running transaction."""
        if self.trail is not None:
            self.trail.add(self.deed(interaction, what, query, shown, **more))

    def record_event(self, event: dict[str, Any]) -> None:
        """The same for an AuditEvent that is whole already: it tells what its operation does."""
        if self.trail is not None:
            self.trail.has_written = True
            self.trail.add(self.deed("operation", event=event))

    def deed(
        self, interaction: str, what: str = "", query: str = "", shown: Sequence[Shown] = (), **more: Any
    ) -> Deed:
        """Who does it, when, why and from where."""
        actor = self.access.actor
        return Deed(
            interaction,
            self.now(),
            actor.role.value,
            actor.subject,
            self.access.purpose.value,
            actor.fhir_user,
            actor.client,
            self.trail.address if self.trail else "",
            self.request_id,
            what=what,
            query=query,
            shown=list(shown),
            **more,
        )

    def finish(self) -> None:
        """Write what no transaction has written: of requests that needed none, or were refused."""
        if self.trail and not self.trail.is_empty:
            with self.service.database.apart() as connection:
                self.trail.write_all(connection)

    def require_visible(self, resource_type: str, logical_id: str) -> None:
        """Raises FORBIDDEN where this Access does not reach the resource, be it there or not: nobody writes what he may not read, and
        nobody learns by a write whether it is there. Who sees all of a type may also write under a new id."""
        if not self.reaches(resource_type, logical_id):
            said = "This token does not permit the write: by PUT only what is there and may be read; POST makes a new resource."
            raise FhirError(Problem.FORBIDDEN, said)

    def _require_reached(self, connection: Connection[Any], writes: Sequence[Write]) -> None:
        """Raises INVALID where a reference leads to what may not be read, as to what is not there."""
        own = {(write.type, write.id) for write in writes}
        named = {pair for write in writes if write.resource for pair in local_references(write.resource)}
        wanted = [pair for pair in named - own if not self.access.sees_all(pair[0])]
        missing = len(wanted) - len(several(connection, self.access, wanted)) if wanted else 0
        if missing:
            raise FhirError(Problem.INVALID, not_there(missing))

    def reaches(self, resource_type: str, logical_id: str) -> bool:
        """Whether the resource is there and may be read; always, where nothing of its type is withheld. Needs the running transaction."""
        if self.access.sees_all(resource_type):
            return True
        assert self.connection is not None
        allowed = self.access.on("r")
        query = f"SELECT FROM resource r WHERE r.type = %s AND r.id = %s AND r.body IS NOT NULL AND ({allowed.text})"
        values = (TYPE_CODE[resource_type], logical_id, *allowed.values)
        return self.connection.execute(query, values).fetchone() is not None

    def now(self) -> datetime:
        """The clock's time."""
        return self.service.clock()

    @property
    def limits(self) -> Limits:
        """Page sizes of the settings."""
        return Limits(self.service.settings.page_size, self.service.settings.max_page_size)

    def compiler(self) -> Compiler:
        """A compiler of search conditions under this context's Access."""
        rank = partial(self.service.parameters.ranker.rank, self)
        return Compiler(self.access, self.now(), self.base, self.service.codes_of, rank)


def _by_interaction(writes: Sequence[Write], interaction: str) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = {}
    for write in writes:
        own = interaction or ("delete" if write.resource is None else "create" if write.created else "update")
        found.setdefault(own, []).append(write)
    return found


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
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """`W/"n"`, or nothing where there is no version."""
        return f'W/"{self.version}"' if self.version else ""

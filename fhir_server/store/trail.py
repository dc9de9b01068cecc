"""Trail: what one request has done and not yet written into the audit log; and the statement that writes it.

Rows are written by the transaction whose deeds they tell, as its last statement. A transaction that only read need not wait for the
disk: its commit is asynchronous, so a power failure may take the last second of such rows along (docs/adr/0011-audit-log.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from psycopg import Connection

from fhir_server.access.deed import Deed, Shown, written

_FIRST = "WHERE pg_current_xact_id() IS NOT NULL AND set_config('synchronous_commit', %s, true) IS NOT NULL"
"""The transaction gets its number before the row gets its own: sealing rests on that."""
# 21 us for one row; 51 us with a CTE and unnest (docs/performance.md)
_APPEND_ONE = f"INSERT INTO audit_log (deed) SELECT %s {_FIRST}"
_APPEND = f"INSERT INTO audit_log (deed) SELECT d FROM unnest(%s::text[]) AS d {_FIRST}"


def append(connection: Connection[Any], deeds: Iterable[Deed], *, waits: bool = True) -> None:
    """Add rows to the log; the commit waits for the disk where `waits`."""
    mode, texts = "on" if waits else "off", [written(deed) for deed in deeds]
    if len(texts) == 1:
        connection.execute(_APPEND_ONE, (texts[0], mode))
    else:
        connection.execute(_APPEND, (texts, mode))


@dataclass(slots=True)
class Trail:
    """`operation`: the running operation; what is shown or changed inside it is told by its own row."""

    address: str = ""
    pending: list[Deed] = field(default_factory=list)
    operation: Deed | None = None
    shown: list[Shown] = field(default_factory=list)
    is_told: bool = False
    has_written: bool = False

    def add(self, deed: Deed) -> None:
        """Keep it until the transaction's end; inside an operation only what it shows."""
        if self.operation is None or deed.event is not None:
            self.pending.append(deed)
            self.is_told = self.is_told or deed.event is not None
        else:
            self.shown.extend(deed.shown)

    @contextmanager
    def during(self, operation: Deed) -> Iterator[None]:
        """Inside the block everything belongs to the operation; what fails is told by whoever answers for it."""
        self.operation, self.is_told = operation, False
        try:
            yield
            self.pending.extend(self._of_operation())
        finally:
            self.operation, self.shown = None, []

    def state(self) -> tuple[int, int, bool, bool]:
        """Where the trail stands, for `back_to`."""
        return len(self.pending), len(self.shown), self.is_told, self.has_written

    def back_to(self, state: tuple[int, int, bool, bool]) -> None:
        """Forget what a transaction did that came to nothing."""
        pending, shown, self.is_told, self.has_written = state
        del self.pending[pending:], self.shown[shown:]

    def write(self, connection: Connection[Any]) -> None:
        """Everything that is pending, as the transaction's last statement.

        An operation that only reads is told once, when it has ended.
        """
        if self.operation is None or self.has_written:
            self.write_all(connection)

    def write_all(self, connection: Connection[Any]) -> None:
        """The same, at the end of the request."""
        if deeds := self._taken():
            append(connection, deeds, waits=self.has_written)
        self.has_written = False

    @property
    def is_empty(self) -> bool:
        """Whether everything has been told."""
        return not self.pending and (self.operation is None or (self.is_told and not self.shown))

    def _taken(self) -> Sequence[Deed]:
        deeds = [*self.pending, *self._of_operation()]
        self.pending, self.shown = [], []
        return deeds

    def _of_operation(self) -> list[Deed]:
        if self.operation is None or (self.is_told and not self.shown):
            return []
        self.is_told = True
        return [msgspec.structs.replace(self.operation, shown=list(dict.fromkeys(self.shown)))]

"""WriteHook: what else has to change in the same transaction as a resource.

The AI layer's passages hang here: a resource that is replaced or deleted is gone from retrieval at the same commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Change:
    """A new version of a resource; `resource` is None where it was deleted. `patients`: rids of the compartments that hold it."""

    rid: int
    type: str
    id: str
    version: int
    patients: tuple[int, ...]
    resource: dict[str, Any] | None


class WriteHook(Protocol):
    """Called once a transaction with everything that it wrote; raises to undo it all.

    `tables`: those whose rows, by `rid`, belong to one version of a resource; the store removes them with it, before the call.
    """

    tables: tuple[str, ...]

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None: ...

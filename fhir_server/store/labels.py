"""The profiles, tags and security labels in use, read from the search index, under an Access.

https://hl7.org/fhir/R4/resource-operation-meta.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from fhir_server.access.decide import Access

_TOKENS = (
    "SELECT DISTINCT '{name}', s.text, i.code FROM token_index i JOIN resource r ON r.rid = i.rid"
    " LEFT JOIN term s ON s.id = i.system AND i.system > 0 WHERE i.param = ANY(%s) AND i.code <> ''"
)
_URIS = (
    "SELECT DISTINCT '{name}', NULL, i.value FROM uri_index i JOIN resource r ON r.rid = i.rid"
    " WHERE i.param = ANY(%s)"
)
_PARTS = {"profile": _URIS, "security": _TOKENS, "tag": _TOKENS}


def in_use(
    connection: Connection[Any], access: Access, numbers: Mapping[str, Sequence[int]]
) -> dict[str, list[Any]]:
    """Element of Meta -> its values, each once; `numbers` are those of the search parameters. Indexes: token_value, uri_value."""
    allowed = access.on("r")
    parts = [f"{_PARTS[name].format(name=name)} AND ({allowed.text})" for name in numbers]
    values = [value for stored in numbers.values() for value in (list(stored), *allowed.values)]
    query = " UNION ALL ".join(parts) + " ORDER BY 1, 2 NULLS FIRST, 3"
    found: dict[str, list[Any]] = {name: [] for name in numbers}
    for name, system, text in connection.execute(query, values).fetchall():
        found[name].append(text if name == "profile" else _coding(system, text))
    return found


def _coding(system: str | None, code: str) -> dict[str, str]:
    return {"system": system, "code": code} if system else {"code": code}

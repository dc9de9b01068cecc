"""Rows into tables: COPY for many, one INSERT statement for a few.

COPY wins from about 100 rows on; for one resource a single statement saves seven round trips (docs/performance.md).
https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from psycopg import Connection

Rows = Mapping[str, list[tuple[Any, ...]]]

COLUMNS: dict[str, dict[str, str]] = {
    "resource": {
        "rid": "bigint",
        "type": "smallint",
        "id": "text",
        "version": "integer",
        "last_updated": "timestamptz",
        "patients": "bigint[]",
        "draft": "boolean",
        "labels": "smallint",
        "narrative": "bigint",
        "content": "bigint",
        "body": "bytea",
    },
    "compartment": {"patient": "bigint", "rid": "bigint"},
    "contained": {"rid": "bigint", "container": "bigint", "id": "text"},
    "token_index": {
        "rid": "bigint",
        "display": "integer",
        "system": "integer",
        "param": "smallint",
        "code": "text",
    },
    "reference_index": {
        "rid": "bigint",
        "target": "bigint",
        "param": "smallint",
        "version": "text",
        "url": "text",
    },
    "date_index": {"rid": "bigint", "lo": "timestamptz", "hi": "timestamptz", "param": "smallint"},
    "string_index": {"rid": "bigint", "param": "smallint", "value": "text", "exact": "text"},
    "uri_index": {"rid": "bigint", "param": "smallint", "value": "text"},
    "quantity_index": {
        "rid": "bigint",
        "system": "integer",
        "unit": "integer",
        "canonical_unit": "integer",
        "param": "smallint",
        "code": "text",
        "lo": "numeric",
        "hi": "numeric",
        "canonical_lo": "numeric",
        "canonical_hi": "numeric",
    },
    "composite_index": {
        "rid": "bigint",
        "param": "smallint",
        "c1_system": "integer",
        "c1_code": "text",
        "c1_target": "bigint",
        "c1_url": "text",
        "c1_lo": "numeric",
        "c1_hi": "numeric",
        "c2_system": "integer",
        "c2_code": "text",
        "c2_target": "bigint",
        "c2_url": "text",
        "c2_lo": "numeric",
        "c2_hi": "numeric",
        "c2_unit": "integer",
        "c2_canonical_unit": "integer",
        "c2_canonical_lo": "numeric",
        "c2_canonical_hi": "numeric",
        "c2_from": "timestamptz",
        "c2_to": "timestamptz",
        "c2_value": "text",
        "c2_exact": "text",
        "c3_lo": "numeric",
        "c3_hi": "numeric",
    },
}
INDEX_TABLES = tuple(name for name in COLUMNS if name.endswith("_index"))
CHUNK = 1_000_000
"""Characters of lines that are in memory at once."""
FEW = 120
"""Rows up to which one statement beats COPY."""


def insert(connection: Connection[Any], rows: Rows) -> None:
    """All rows of all tables."""
    if sum(map(len, rows.values())) <= FEW:
        _insert_few(connection, rows)
    else:
        for table, found in rows.items():
            _copy(connection, table, found)


def _copy(connection: Connection[Any], table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor().copy(f"COPY {table} ({', '.join(COLUMNS[table])}) FROM STDIN") as copy:
            for lines in _chunks(sorted(rows, key=itemgetter(0))):
                copy.write("".join(lines))


def _chunks(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[str]]:
    lines: list[str] = []
    size = 0
    for line in map(_line, rows):
        lines.append(line)
        size += len(line)
        if size > CHUNK:
            yield lines
            lines, size = [], 0
    yield lines


def _insert_few(connection: Connection[Any], rows: Rows) -> None:
    """INSERT of a VALUES list a table, all of them in one statement; the texts are cast by the columns' types."""
    parts, values = [], []
    for number, (table, found) in enumerate(rows.items()):
        if found:
            types = COLUMNS[table]
            arrays = ", ".join(f"%s::{'text' if t == 'bigint[]' else t}[]" for t in types.values())
            chosen = ", ".join(f"u.{c}::bigint[]" if t == "bigint[]" else f"u.{c}" for c, t in types.items())
            columns = ", ".join(types)
            parts.append(
                f"w{number} AS (INSERT INTO {table} ({columns}) SELECT {chosen} FROM unnest({arrays}) AS u ({columns}))"
            )
            values += [_array(column) for column in zip(*found, strict=True)]
    if parts:
        connection.execute(f"WITH {', '.join(parts)} SELECT", values)


def _array(values: tuple[Any, ...]) -> str:
    """A Postgres array literal, each element quoted."""
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    text = _PLAIN[type(value)](value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(row: tuple[Any, ...]) -> str:
    return "\t".join([_TEXT[type(value)](value) for value in row]) + "\n"


def _escaped(text: str) -> str:
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text.replace("\x00", "") if "\x00" in text else text


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


_PLAIN: dict[type, Callable[[Any], str]] = {
    int: int.__str__,
    bool: lambda value: "t" if value else "f",
    str: lambda value: value.replace("\x00", "") if "\x00" in value else value,
    bytes: lambda value: "\\x" + value.hex(),
    datetime: datetime.isoformat,
    Decimal: str,
    tuple: _numbers,
}
_TEXT: dict[type, Callable[[Any], str]] = {
    **_PLAIN,
    str: _escaped,
    bytes: lambda value: "\\\\x" + value.hex(),
    type(None): lambda value: "\\N",
}

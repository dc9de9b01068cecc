"""How Postgres answers the shapes: the statements of a request, their plans, and what they cost by bare psycopg."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI
from psycopg import Connection, Cursor

BIG = 10_000
"""Rows from which a table is big: no statement of a search may read all of one."""
_BIG_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s"
TIMES = 20


@dataclass(frozen=True, slots=True)
class Statement:
    """What was sent, with its values."""

    text: str
    values: Any


def statements(app: FastAPI, path: str) -> list[Statement]:
    """The reading statements of one request to the app in this process. Raises ValueError where it does not succeed."""
    with _recorded() as found:
        get(app, path)
    return [
        s
        for s in found
        if s.text.lstrip().upper().startswith(("SELECT", "WITH")) and "INSERT INTO" not in s.text
    ]


def get(app: FastAPI, path: str) -> dict[str, Any]:
    """The JSON that the app answers, in this process. Raises ValueError where it refuses."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(f"/fhir/{path}")

    answer = asyncio.run(ask())
    if answer.status_code != 200:
        raise ValueError(f"{path} answers {answer.status_code}")
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def _recorded() -> Iterator[list[Statement]]:
    found: list[Statement] = []
    original = Cursor.execute

    def execute(self: Cursor[Any], query: Any, params: Any = None, **more: Any) -> Cursor[Any]:
        found.append(Statement(query if isinstance(query, str) else query.as_string(self), params))
        return original(self, query, params, **more)

    Cursor.execute = execute  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        Cursor.execute = original  # type: ignore[method-assign]


def plan(connection: Connection[Any], statement: Statement) -> dict[str, Any]:
    """Postgres's plan for these values, as JSON."""
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement.text}", statement.values).fetchone()
    found: dict[str, Any] = row[0][0]["Plan"] if row else {}
    return found


def lines(node: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """The plan as a tree of steps, without numbers, which differ from run to run."""
    what = " ".join(str(node[name]) for name in ("Relation Name", "Index Name", "CTE Name") if name in node)
    yield f"{'  ' * depth}{node['Node Type']} {what}".rstrip()
    for inner in node.get("Plans", ()):
        yield from lines(inner, depth + 1)


def big_tables(connection: Connection[Any]) -> frozenset[str]:
    """The tables that no search may read from end to end."""
    return frozenset(name for (name,) in connection.execute(_BIG_TABLES, (BIG,)).fetchall())


def scanned(node: dict[str, Any], big: frozenset[str]) -> list[str]:
    """Big tables that the plan reads from end to end."""
    own = (
        [str(node["Relation Name"])]
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in big
        else []
    )
    return own + [name for inner in node.get("Plans", ()) for name in scanned(inner, big)]


def bare(connection: Connection[Any], found: Sequence[Statement]) -> float:
    """Milliseconds that the statements take by themselves, the median of several runs."""
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        for statement in found:
            connection.execute(statement.text, statement.values, prepare=True).fetchall()
        taken.append(time.perf_counter() - started)
    return sorted(taken)[TIMES // 2] * 1000


def connect(dsn: str) -> Connection[Any]:
    """As the server connects: inside the tenant's schema."""
    return psycopg.connect(dsn, autocommit=True, options="-c search_path=chartline,public -c timezone=UTC")

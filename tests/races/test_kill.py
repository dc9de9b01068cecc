"""SIGKILL of the server while transactions go in: what was acknowledged is there whole, and nothing is there in part.

Postgres outlives the server here; that it outlives a SIGKILL of its own owner is tests/store/test_embedded.py.
https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from fhir_server.r4.definitions import TYPE_CODE
from tests.serving import forked

KILLS = 20
CLIENTS = 4
PARTS = 20
"""Observations of one transaction, besides its Patient."""
MOMENT = 0.4
"""Seconds between the server's first answer and its end."""


def test_every_acknowledged_transaction_is_there_whole_and_no_other_in_part(dsn: str) -> None:
    acknowledged: set[str] = set()
    sent: set[str] = set()
    for _ in range(KILLS):
        with forked(dsn) as (base, process), ThreadPoolExecutor(CLIENTS) as pool:
            over = Event()
            clients = [pool.submit(_send_on, base, over, sent, acknowledged) for _ in range(CLIENTS)]
            time.sleep(MOMENT)
            os.kill(process, signal.SIGKILL)
            over.set()
            for client in clients:
                client.result()
    found = _stored(dsn)
    assert len(acknowledged) > KILLS, "Hardly a transaction was acknowledged: the test says nothing."
    assert len(sent) > len(acknowledged), (
        "Nothing was under way when the server ended: the test says nothing."
    )
    assert {name: found.get(name) for name in acknowledged} == dict.fromkeys(acknowledged, PARTS)
    assert set(found.values()) == {PARTS}
    assert found.keys() <= sent
    assert _without_patient(dsn) == 0


def _send_on(base: str, over: Event, sent: set[str], acknowledged: set[str]) -> None:
    with httpx.Client(base_url=base, timeout=30) as client:
        while not over.is_set():
            name = str(uuid4())
            sent.add(name)
            try:
                answer = client.post("/", json=_transaction(name))
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            acknowledged.add(name)


def _transaction(name: str) -> dict[str, Any]:
    def put(kind: str, logical_id: str, **more: Any) -> dict[str, Any]:
        request = {"method": "PUT", "url": f"{kind}/{logical_id}"}
        return {"request": request, "resource": {"resourceType": kind, "id": logical_id, **more}}

    subject = {"reference": f"Patient/{name}"}
    seen = [
        put("Observation", f"{name}.{n}", status="final", code={"text": "c"}, subject=subject)
        for n in range(PARTS)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": [*seen, put("Patient", name)]}


def _stored(dsn: str) -> dict[str, int]:
    """Patient -> how many Observations of it are there, with their index rows."""
    query = """
        SELECT p.id, (
            SELECT count(DISTINCT i.rid) FROM reference_index i JOIN resource o ON o.rid = i.rid
            JOIN compartment c ON c.rid = o.rid AND c.patient = p.rid
            WHERE i.target = p.rid AND o.type = %s AND o.body IS NOT NULL
        ) FROM resource p WHERE p.type = %s AND p.body IS NOT NULL
    """
    with _connected(dsn) as connection:
        return {
            str(name): int(count)
            for name, count in connection.execute(
                query, (TYPE_CODE["Observation"], TYPE_CODE["Patient"])
            ).fetchall()
        }


def _without_patient(dsn: str) -> int:
    query = """
        SELECT count(*) FROM resource o WHERE o.type = %s AND NOT EXISTS (
            SELECT FROM resource p WHERE p.id = split_part(o.id, '.', 1) AND p.body IS NOT NULL)
    """
    with _connected(dsn) as connection:
        row = connection.execute(query, (TYPE_CODE["Observation"],)).fetchone()
        return int(row[0]) if row else 0


def _connected(dsn: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, options="-c search_path=chartline,public")

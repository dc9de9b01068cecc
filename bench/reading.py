"""Reads, searches, $retrieve and $ask over HTTP: p50 and p99 of one client, beside a bare ASGI app that sends the same bytes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx

from bench import raw, report, server

TIMES = 300
QUESTIONS = (
    "sugar test",
    "my last cholesterol",
    "blood pressure",
    "what medicines do I take",
    "am I allergic to anything",
    "kidneys",
)
Request = Callable[[httpx.Client, Any], httpx.Response]


def run(folder: Path) -> None:
    """Print the figures of a server on the loaded folder."""
    random.seed(7)
    with server.served(folder) as (base, pid), httpx.Client(base_url=base, timeout=60) as client:
        patients = _ids(client, "Patient?_count=80&_elements=id")
        observations = _ids(client, "Observation?_count=500&_elements=id")
        measure(client, "read by id", observations, lambda c, i: c.get(f"/Observation/{i}"))
        measure(
            client,
            "Observation?patient&code&_sort=-date",
            patients,
            lambda c, i: c.get(
                f"/Observation?patient={i}&code=http://loinc.org|8302-2&_sort=-date&_count=20"
            ),
        )
        measure(
            client,
            "Observation?code (newest 20 of all patients)",
            patients,
            lambda c, i: c.get("/Observation?code=http://loinc.org|8302-2&_sort=-date&_count=20"),
        )
        measure(client, "Patient?name, prefix", patients, lambda c, i: c.get("/Patient?name=al&_count=20"))
        measure(
            client,
            "Observation?patient.identifier (chain)",
            patients,
            lambda c, i: c.get(f"/Observation?patient._id={i}&_count=20"),
        )
        measure(
            client,
            "Patient/[id]/* , up to 1,000 resources",
            patients,
            lambda c, i: c.get(f"/Patient/{i}/*?_count=1000"),
            times=60,
        )
        measure(
            client,
            "$retrieve",
            _asked(patients, "query"),
            lambda c, t: c.post(f"/Patient/{t[0]}/$retrieve", json=t[1]),
            is_raw=False,
        )
        measure(
            client,
            "$ask",
            _asked(patients, "question"),
            lambda c, t: c.post(f"/Patient/{t[0]}/$ask", json=t[1]),
            is_raw=False,
        )
        report.line("server's resident memory, embedder loaded", f"{server.resident_megabytes(pid):.0f} MB")


def _ids(client: httpx.Client, query: str) -> list[str]:
    return [entry["resource"]["id"] for entry in client.get(f"/{query}").json()["entry"]]


def _asked(patients: Sequence[str], name: str) -> list[tuple[str, dict[str, Any]]]:
    def body(text: str) -> dict[str, Any]:
        return {"resourceType": "Parameters", "parameter": [{"name": name, "valueString": text}]}

    return [(patient, body(text)) for patient in patients for text in QUESTIONS]


def measure(
    client: httpx.Client,
    what: str,
    things: Sequence[Any],
    request: Request,
    times: int = TIMES,
    *,
    is_raw: bool = True,
) -> None:
    """Print p50 and p99 of a request, beside the bare app that sends the same bytes (where `is_raw`)."""
    chosen = list(islice(cycle(random.sample(things, len(things))), times))
    for thing in chosen[:20]:
        answer = request(client, thing)
    if answer.status_code != 200:
        report.line(what, f"failed with {answer.status_code}")
        return
    seconds = _times(request, client, chosen)
    if not is_raw:
        report.line(what, report.milliseconds(seconds))
        return
    with raw.bare_app(answer.content) as address, httpx.Client() as bare:
        least = _times(lambda c, thing: c.get(address), bare, chosen)
    ratio = report.percentiles(least)[0] / report.percentiles(seconds)[0]
    report.line(what, report.milliseconds(seconds), f"bare ASGI {report.milliseconds(least)}", ratio)


def _times(request: Request, client: httpx.Client, things: Sequence[Any]) -> list[float]:
    found = []
    for thing in things:
        started = time.perf_counter()
        request(client, thing)
        found.append(time.perf_counter() - started)
    return found

"""A CRUD mix over HTTP: sixteen clients that each create, read, update and delete Patients, Observations and Conditions in turn.

python -m bench.mixed [workers]. A quarter of the requests is of each kind, so three in four write and commit. Beside it the same requests
to a bare ASGI app that answers everything with one Patient.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import raw, report, server

CLIENTS = 16
SECONDS = 20.0
WARM = 3.0
WORKERS = 1
Json = dict[str, Any]


def run(workers: int = WORKERS) -> None:
    """Print the figures of a new, empty server."""
    with tempfile.TemporaryDirectory() as folder, server.served(Path(folder), workers) as (base, _):
        ours = _mix(base)
    with raw.bare_app(json.dumps(_patient(0)).encode()) as address:
        bare = _mix(address.rstrip("/"))
    limit = len(bare) / SECONDS
    rate = len(ours) / SECONDS
    report.line(
        f"CRUD mix, {CLIENTS} clients", f"{rate:,.0f} requests/s", f"bare ASGI {limit:,.0f}/s", rate / limit
    )
    report.line("", report.milliseconds(ours), f"bare ASGI {report.milliseconds(bare)}")


def _mix(base: str) -> list[float]:
    """Seconds of each request after the warm-up; ends the run where one failed."""
    begin = time.perf_counter() + WARM
    clients = [_Client(base, begin) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(_Client.work, clients))
    if failed := [status for client in clients for status in client.failed]:
        sys.exit(f"{len(failed)} requests of the mix failed, the first with {failed[0]}")
    return [seconds for client in clients for seconds in client.seconds]


@dataclass
class _Client:
    """One client on one connection, with a Patient of its own that Observations and Conditions are about."""

    base: str
    begin: float
    seconds: list[float] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    def work(self) -> None:
        parts = urlsplit(self.base)
        self.path = parts.path
        self.connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        own = f"Patient/{self.request('POST', 'Patient', _patient(0))['id']}"
        for turn in count():
            resource = (_patient(turn), _observation(turn, own), _condition(turn, own))[turn % 3]
            type = resource["resourceType"]
            address = f"{type}/{self.request('POST', type, resource)['id']}"
            self.request("GET", address)
            self.request("PUT", address, resource | {"id": address.partition("/")[2], "language": "en"})
            self.request("DELETE", address)
            if time.perf_counter() > self.begin + SECONDS:
                return

    def request(self, method: str, path: str, resource: Json | None = None) -> Json:
        body = json.dumps(resource) if resource else None
        started = time.perf_counter()
        self.connection.request(
            method, f"{self.path}/{path}", body, {"content-type": "application/fhir+json"}
        )
        answer = self.connection.getresponse()
        content = answer.read()
        if self.begin < started < self.begin + SECONDS:
            self.seconds.append(time.perf_counter() - started)
        if answer.status >= 300:
            self.failed.append(answer.status)
        found: Json = json.loads(content) if content else {}
        return found


def _patient(turn: int) -> Json:
    return {
        "resourceType": "Patient",
        "id": "1",
        "identifier": [{"system": "https://chartline.example/bench", "value": f"{turn}"}],
        "name": [{"family": f"Family{turn}", "given": ["Given", "Middle"]}],
        "gender": "female",
        "birthDate": f"19{turn % 90 + 10}-03-04",
        "address": [{"line": ["1 Any Street"], "city": "Town", "postalCode": "01234"}],
        "telecom": [{"system": "phone", "value": "555-0100"}],
    }


def _observation(turn: int, patient: str) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {"coding": [_coding("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")]}
        ],
        "code": {"coding": [_coding("http://loinc.org", "2823-3")]},
        "subject": {"reference": patient},
        "effectiveDateTime": f"2025-{turn % 12 + 1:02}-{turn % 28 + 1:02}T10:00:00Z",
        "valueQuantity": {
            "value": 3.5 + turn % 20 / 10,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


def _condition(turn: int, patient: str) -> Json:
    terms = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [_coding(f"{terms}/condition-clinical", "active")]},
        "verificationStatus": {"coding": [_coding(f"{terms}/condition-ver-status", "confirmed")]},
        "code": {"coding": [_coding("http://snomed.info/sct", "38341003")]},
        "subject": {"reference": patient},
        "onsetDateTime": f"20{turn % 25:02}-05-06",
    }


def _coding(system: str, code: str) -> Json:
    return {"system": system, "code": code}


if __name__ == "__main__":
    report.head()
    run(*map(int, sys.argv[1:2]))

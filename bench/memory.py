"""How much memory a transaction of 3,000 entries and 60 MB takes: the peak of the server's process, beside the bytes of the Bundle.

python -m bench.memory. Once attachments of random bytes, once Observations with many components, which are large trees.
"""

from __future__ import annotations

import base64
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from bench import report, server

ENTRIES, BYTES = 3000, 60_000_000
Json = dict[str, Any]


def run() -> None:
    """Print both."""
    random.seed(7)
    for what, make in (("attachments", _attachment), ("large trees", _tree)):
        body = _bundle(make)
        with tempfile.TemporaryDirectory() as folder, server.served(Path(folder)) as (base, pid):
            _post(base, _bundle(make, 30))
            before = _peak(pid)
            _post(base, body)
            grown = _peak(pid) - before
        size = len(body) / 1e6
        report.line(
            f"memory of a transaction, {ENTRIES:,} {what}",
            f"{grown:.0f} MB",
            f"{size:.0f} MB sent",
            grown / size,
        )


def _post(base: str, body: bytes) -> None:
    answer = httpx.post(base, content=body, headers={"content-type": "application/fhir+json"}, timeout=300)
    answer.raise_for_status()


def _peak(pid: int) -> float:
    """The most memory that the process has held so far, in MB. https://docs.kernel.org/filesystems/proc.html"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def _bundle(make: Callable[[int], Json], entries: int = ENTRIES) -> bytes:
    found = [
        {"resource": make(n), "request": {"method": "POST", "url": make(0)["resourceType"]}}
        for n in range(entries)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": found}).encode()


def _attachment(number: int) -> Json:
    data = base64.b64encode(random.randbytes(BYTES // ENTRIES * 3 // 4)).decode()
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "application/pdf", "data": data, "title": f"{number}"}}],
    }


def _tree(number: int) -> Json:
    part = {
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"}]
        },
        "valueQuantity": {
            "value": 90 + number % 80,
            "unit": "mmHg",
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        },
    }
    parts = [part] * (BYTES // ENTRIES // len(json.dumps(part)))
    return {"resourceType": "Observation", "status": "final", "code": part["code"], "component": parts}


if __name__ == "__main__":
    report.head()
    run()

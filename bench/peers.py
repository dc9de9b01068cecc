"""`make bench-peers`: the same transactions, one client, on Chartline and on a peer from PyPI (sekmet-fhir, SQLite), in one run.

The peer is installed into a virtual environment of its own and is no dependency of ours.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench import data, server

PEER = "sekmet-fhir"
BUNDLES = 20


def main() -> None:
    """Print both figures and their ratio."""
    with tempfile.TemporaryDirectory() as folder, server.served(Path(folder)) as (base, _):
        ours = _rate(base)
    with _peer() as base:
        theirs = _rate(base)
    print(
        f"HTTP transactions, 1 client: Chartline {ours:,.0f} resources/s, {PEER} {theirs:,.0f}, ratio {ours / theirs:.2f}"
    )


def _rate(base: str) -> float:
    """Resources a second over BUNDLES patients, after two that warm up."""
    bodies = data.bundles()[: BUNDLES + 2]
    headers = {"content-type": "application/fhir+json"}
    with httpx.Client(timeout=300) as client:
        for body in bodies[:2]:
            client.post(base, content=body, headers=headers)
        started = time.perf_counter()
        count = sum(
            client.post(base, content=body, headers=headers).text.count('"response"') for body in bodies[2:]
        )
        return count / (time.perf_counter() - started)


@contextmanager
def _peer() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder) / "venv", with_pip=True)
        python = Path(folder) / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
        port = server.free_port()
        command = [str(python.parent / "sekmet"), "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server.wait_for(f"http://127.0.0.1:{port}/fhir/metadata")
            yield f"http://127.0.0.1:{port}/fhir"
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    main()

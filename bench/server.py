"""A server in a process of its own, as `chartline serve` starts it, and how much memory it holds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def served(data_dir: Path, workers: int = 1) -> Iterator[tuple[str, int]]:
    """(base URL, process id) of a server on the folder, auth off, on loopback."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "ai_layer",
        "serve",
        "--auth",
        "off",
        "--port",
        str(port),
        "--data-dir",
        str(data_dir),
    ]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        env=os.environ | {"CHARTLINE_LOG": "warning"},
        stdout=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(f"{base}/readyz")
        yield f"{base}/fhir", process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def resident_megabytes(pid: int) -> float:
    """Resident memory of the process and of its children that are Python."""
    found = subprocess.run(
        ["ps", "-o", "pid=,ppid=,rss=,comm=", "-A"], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 3) for line in found.stdout.splitlines()]
    own = [
        int(rss)
        for p, parent, rss, name in rows
        if int(p) == pid or (int(parent) == pid and "python" in name)
    ]
    return sum(own) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str) -> None:
    """Until the address answers with 200; ends the run where it does not within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    sys.exit("The server did not start.")

"""serving: the whole application over real HTTP on loopback, for as long as a block lasts.

`serving` runs uvicorn in a thread of this process; `forked` runs it in a process of its own, which a test may kill.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from fhir_server.app import create_app
from fhir_server.interactions.context import Service
from fhir_server.service import open_service
from fhir_server.settings import Settings

PATIENCE = 30.0
"""Seconds that a server may take to start."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens: the address of its /fhir, and its Service where it runs in this process."""

    base: str
    service: Service

    def client(self, **more: Any) -> httpx.Client:
        """A client whose addresses start at /fhir."""
        return httpx.Client(base_url=self.base, timeout=60, **more)


@contextmanager
def serving(dsn: str, **settings: Any) -> Iterator[Running]:
    """The server on this database, in a thread; `settings` as Settings has them."""
    usual = {"auth": "smart" if "oidc_issuer" in settings else "off", "consent": "opt-out"}
    service = open_service(Settings(**{**usual, **settings}), dsn)
    with listening(create_app(service)) as address:
        yield Running(f"{address}/fhir", service)


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The application in a thread; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        _wait(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def forked(dsn: str) -> Iterator[tuple[str, int]]:
    """The server in a process of its own, out of one that has read our code already: the address of its /fhir, and the process's id."""
    port = free_port()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fhir_server.__main__", "uvicorn"])
    process = context.Process(target=_serve, args=(dsn, port), daemon=True)
    process.start()
    assert process.pid is not None
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(lambda: _answers(base, lambda: process.exitcode is None))
        yield f"{base}/fhir", process.pid
    finally:
        process.kill()
        process.join()


def _serve(dsn: str, port: int) -> None:
    os.environ.update({"CHARTLINE_DSN": dsn, "CHARTLINE_AUTH": "off", "CHARTLINE_LOG": "error"})
    uvicorn.run("fhir_server.__main__:make_app", factory=True, port=port, log_level="error", access_log=False)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _answers(base: str, is_alive: Callable[[], bool]) -> bool:
    assert is_alive(), "The server ended before it answered."
    try:
        return httpx.get(f"{base}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _wait(is_ready: Any) -> None:
    for _ in range(int(PATIENCE / 0.02)):
        if is_ready():
            return
        time.sleep(0.02)
    raise TimeoutError("The server did not start.")

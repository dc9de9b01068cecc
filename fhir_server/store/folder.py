"""The data folder of an embedded Postgres: who owns it, its password, its socket, and how others find the server.

`postgres/` is the cluster, `owner.lock` the lock, `password` and `connection.json` are for their owner's eyes only. The lock is a flock on an open
file that the server inherits: it lasts as long as any process of the server, and no longer, whoever dies first.
https://man7.org/linux/man-pages/man2/flock.2.html
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fhir_server.settings import ConfigurationError

SOCKET_PATH_LIMIT = 88
"""Bytes of a socket folder's path; the whole name of a socket may have 103 (macOS) or 107 (Linux)."""
LAST_BREATH_SECONDS = 30.0
"""How long a server whose owner is gone may take for its last checkpoint."""


class FolderInUse(ConfigurationError):
    """Another process runs the server of this folder."""


class DataFolder:
    """A folder, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.home = path.resolve()
        self.cluster = self.home / "postgres"
        self.log = self.home / "postgres.log"
        self._connection = self.home / "connection.json"

    def make(self) -> None:
        """Make it. Others may pass through it, since the server may be another user, but not look around."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o711)
            (self.home / "owner.lock").touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"{self.home} cannot be written ({error.strerror}): choose another --data-dir."
            ) from None

    @contextmanager
    def owned(self) -> Iterator[int]:
        """The lock, as a file descriptor for the server to inherit. Raises FolderInUse."""
        with (self.home / "owner.lock").open("r+") as file:
            _lock(file, self.home)
            file.truncate()
            file.write(json.dumps({"pid": os.getpid(), "command": _command()}))
            file.flush()
            yield file.fileno()

    def has_cluster(self) -> bool:
        """Whether initdb has run here, to its end."""
        return (self.cluster / "PG_VERSION").exists()

    def password(self) -> str:
        """The server's password, made with the cluster."""
        path = self.home / "password"
        if not path.exists() and self.has_cluster():
            raise ConfigurationError(
                f"{path} is missing: put it back from your backup, or restore into another --data-dir."
            )
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text().strip()

    def sockets(self) -> Path:
        """The private folder of the socket; where our path is too long for one, a temporary folder that we remember."""
        folder = self.home / "socket"
        if len(os.fsencode(folder)) <= SOCKET_PATH_LIMIT and "," not in str(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder
        note = self.home / "socket_folder"
        known = Path(note.read_text()) if note.exists() else None
        if known is None or not known.is_dir():
            known = Path(tempfile.mkdtemp(prefix="chartline-", dir="/tmp"))
            write_private(note, str(known))
        return known

    def publish(self, dsn: str) -> None:
        """Tell other commands of the same user how to reach the server."""
        write_private(self._connection, json.dumps({"dsn": dsn, "pid": os.getpid()}))

    def withdraw(self) -> None:
        """The server is no longer there."""
        self._connection.unlink(missing_ok=True)

    def published(self) -> str:
        """The DSN of the server, which may have ended; empty where nobody has started one."""
        try:
            return str(json.loads(self._connection.read_text())["dsn"])
        except (OSError, ValueError, KeyError):
            return ""

    @contextmanager
    def visiting(self) -> Iterator[None]:
        """As long as this lasts, `wait_for_visitors` waits."""
        with (self.home / "visitors.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def has_visitors(self) -> bool:
        """Whether another command uses the server."""
        return not _is_free(self.home / "visitors.lock", fcntl.LOCK_EX)

    def wait_for_visitors(self) -> None:
        """Until no other command uses the server any more."""
        with (self.home / "visitors.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    def is_locked(self) -> bool:
        """Whether a process of the server is alive, or one is being started."""
        return not _is_free(self.home / "owner.lock", fcntl.LOCK_SH)

    def has_living_owner(self) -> bool:
        """Whether the process that last took the lock is still there."""
        return _is_alive(self.owner())

    def free_bytes(self) -> int:
        """Space left on the disk."""
        return shutil.disk_usage(self.home).free

    def owner(self) -> dict[str, str]:
        """Pid and command of the process that last took the lock; empty where nobody has."""
        try:
            return {
                name: str(value) for name, value in json.loads((self.home / "owner.lock").read_text()).items()
            }
        except (OSError, ValueError):
            return {}


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read from its first moment on, and that is there in whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(name, path)


def _lock(file: IO[str], home: Path) -> None:
    end = time.monotonic() + LAST_BREATH_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = DataFolder(home).owner()
            if _is_alive(owner) or time.monotonic() > end:
                raise _in_use(home, owner) from None
            time.sleep(0.02)


def _is_free(path: Path, kind: int) -> bool:
    try:
        with path.open("r") as file:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _in_use(home: Path, owner: dict[str, str]) -> FolderInUse:
    who = f"process {owner.get('pid', 'unknown')} ({owner.get('command', 'unknown')})"
    return FolderInUse(f"The data folder {home} is in use by {who}: stop it, or choose another --data-dir.")


def _is_alive(owner: dict[str, str]) -> bool:
    try:
        os.kill(int(owner["pid"]), 0)
    except (ProcessLookupError, KeyError):
        return False
    except PermissionError:
        return True
    return True


def _command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])

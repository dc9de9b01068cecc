"""As whom Postgres runs, and how long: never as root, and never longer than its owner.

Postgres refuses to run as root. There a user namespace in which root is user 1000 does, or the user `nobody`. The kernel sends SIGINT (a fast
shutdown) to the server when the thread that started it ends, however it ends.
https://man7.org/linux/man-pages/man7/user_namespaces.7.html https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import platform
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fhir_server.settings import ConfigurationError
from fhir_server.store.folder import DataFolder

ON_LINUX = platform.system() == "Linux"
NOBODY = 65534
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_INSIDE = 1000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _enter_namespace() -> None:
    """Become user 1000 of a namespace of one's own; outside, the process stays who it was."""
    user, group = os.geteuid(), os.getegid()
    if _LIBC.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INSIDE} {user} 1"),
        ("gid_map", f"{_INSIDE} {group} 1"),
    ):
        Path("/proc/self", file).write_text(text)


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _stay() -> None:
    """Run as whoever we are."""


@dataclass(frozen=True, slots=True)
class Guise:
    """`enter` runs in the child before it becomes Postgres; `uid` is the owner that the files have to have."""

    uid: int
    enter: Callable[[], None]

    def give(self, path: Path) -> None:
        """Let the server own a file or a folder that we have just made."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.uid)

    def enter_for_life(self) -> Callable[[], None]:
        """As `enter`, and end with the thread that calls this now."""
        owner = os.getpid()

        def prepare() -> None:
            self.enter()
            if ON_LINUX and _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")
            if os.getppid() != owner:  # it ended before the kernel knew of the tie
                os._exit(1)

        return prepare


def end_with_parent() -> None:
    """For worker processes: end (SIGTERM) when the process that started this one is gone. Nothing in a main process."""
    if ON_LINUX and multiprocessing.parent_process() is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def choose(folder: DataFolder, postgres: Path) -> Guise:
    """The guise that this machine allows and that owns the cluster, where there is one. Raises ConfigurationError."""
    guises = (
        [Guise(0, _enter_namespace), Guise(NOBODY, _become_nobody)]
        if os.geteuid() == 0
        else [Guise(os.geteuid(), _stay)]
    )
    if folder.has_cluster():
        guises = [guise for guise in guises if guise.uid == folder.cluster.stat().st_uid]
    if not guises:
        raise ConfigurationError(
            f"{folder.cluster} belongs to another user: run as that user, or choose another --data-dir."
        )
    for guise in guises:
        if _works(guise, folder.home, postgres):
            return guise
    raise ConfigurationError(
        "Postgres does not run as root, this machine allows no user namespace, and the user nobody cannot reach "
        f"{folder.home} and {postgres}: run as another user, choose another --data-dir, or set CHARTLINE_DSN."
    )


def _works(guise: Guise, home: Path, postgres: Path) -> bool:
    probe = ["/bin/sh", "-c", 'test -x "$1" && exec "$2" --version', "sh", str(home), str(postgres)]
    try:
        return subprocess.run(probe, preexec_fn=guise.enter, capture_output=True, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def watch(pid: int) -> subprocess.Popen[bytes] | None:
    """Where the kernel ties no lives (macOS): a process that waits for our end and then sends the signal."""
    if ON_LINUX:
        return None
    script = 'cat >/dev/null; kill -INT "$0"'
    return subprocess.Popen(
        ["/bin/sh", "-c", script, str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )

"""A new database cluster in the data folder, and what to do about what Postgres says.

https://www.postgresql.org/docs/18/app-initdb.html
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from fhir_server.settings import ConfigurationError
from fhir_server.store.binaries import binaries, major_version
from fhir_server.store.folder import DataFolder, write_private
from fhir_server.store.guise import Guise

USER = "chartline"
ADVICE: tuple[tuple[str, str], ...] = (
    ("No space left on device", "the disk is full: make room, or choose another --data-dir"),
    (
        "not compatible with this version",
        "another major version of PostgreSQL made this folder: dump it there and restore it here",
    ),
    ("Permission denied", "the user that runs Chartline may not write here: choose another --data-dir"),
    ("could not map anonymous shared memory", "the machine has too little memory free"),
)
"""What Postgres says, and what to do about it."""


def make_cluster(folder: DataFolder, chosen: Guise, password: str, *, durable: bool) -> None:
    """initdb beside the final place, then one rename: what is there under its name is whole."""
    unfinished = folder.home / "postgres.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.home) as private:
        file = Path(private) / "password"
        write_private(file, password)
        unfinished.mkdir(mode=0o700)
        for path in (unfinished, Path(private), file):
            chosen.give(path)
        options = [*_options(durable), f"--pwfile={file}", "-D", str(unfinished)]
        made = subprocess.run(
            [binaries() / "initdb", *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder.home,
            preexec_fn=chosen.enter,
        )
    if made.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise ConfigurationError(f"The database could not be made in {folder.home}: {advice(made.stderr)}")
    unfinished.rename(folder.cluster)


def _options(durable: bool) -> list[str]:
    """Sorted by code point, cased by Unicode, and the same on every machine."""
    options = ["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
    if major_version(binaries()) >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return options if durable else [*options, "--no-sync"]


def advice(words: str) -> str:
    """What to do, or else what it said."""
    for said, text in ADVICE:
        if said in words:
            return f"{text}."
    return words.strip()[-400:] or "it said nothing."

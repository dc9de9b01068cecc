"""Many patients out of the 80 of Synthea: each copy of a bundle has UUIDs of its own, so nothing of two copies is the same resource."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench import data

_UUID = re.compile(rb"\b[0-9a-f]{2}([0-9a-f]{6}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b")


def copied(bundle: bytes, number: int) -> bytes:
    """The bundle with other UUIDs; their first byte is the number of the copy, less than 256."""
    return _UUID.sub(b"%02x\\1" % number, bundle)


def write(folder: Path, copies: int) -> Iterator[Path]:
    """One folder of bundles a copy; a folder is there only until the next one is asked for."""
    for number in range(copies):
        inner = folder / f"copy-{number}"
        inner.mkdir()
        for n, bundle in enumerate(data.bundles()):
            (inner / f"{n}.json").write_bytes(copied(bundle, number))
        yield inner
        for path in inner.iterdir():
            path.unlink()
        inner.rmdir()

"""Trains the zstd dictionary of fhir_server/store/bodies.py on FHIR JSON files.

python tools/train_dictionary.py OUT FILE... ; Bundles are taken apart, each resource is a sample, as compact JSON.
A dictionary that has stored bodies must stay in the tree: train a new one under the next number.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import zstandard

from fhir_server.r4 import json

SIZE = 96 * 1024
MOST_SAMPLES = 12_000


def samples(paths: list[Path]) -> Iterator[bytes]:
    """Compact JSON of every resource in the files."""
    for path in paths:
        body = path.read_bytes()
        bundle = json.decode_object(gzip.decompress(body) if path.suffix == ".gz" else body)
        for entry in bundle.get("entry", [{"resource": bundle}]):
            resource = dict(entry["resource"])
            resource["meta"] = resource.get("meta", {}) | {
                "versionId": "1",
                "lastUpdated": "2026-01-01T00:00:00.000Z",
            }
            yield json.encode(resource)


def main() -> None:
    """Train and write."""
    out, *names = sys.argv[1:]
    found = list(samples([Path(name) for name in sorted(names)]))
    step = max(1, len(found) // MOST_SAMPLES)
    trained = zstandard.train_dictionary(SIZE, found[::step], dict_id=1)
    Path(out).write_bytes(trained.as_bytes())


if __name__ == "__main__":
    main()

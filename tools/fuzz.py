"""Runs schemathesis against a server of its own: requests made of the OpenAPI page, valid and broken, none of which may be answered with 5xx.

python tools/fuzz.py [SECONDS], with the extra `fuzz` installed; `make fuzz` does both. https://schemathesis.readthedocs.io
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from psycopg.conninfo import make_conninfo

from fhir_server.store.embedded import EmbeddedPostgres
from tests.service import context_of, put
from tests.serving import serving

ROOT = Path(__file__).resolve().parent.parent
RECORD = {
    "Patient/example": {"active": True, "name": [{"family": "Example"}]},
    "Encounter/example": {
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/example"},
    },
    "Observation/example": {
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/example"},
        "effectiveDateTime": "2024-01-01",
    },
    "Composition/example": {
        "status": "final",
        "type": {"text": "t"},
        "date": "2024-01-01",
        "title": "T",
        "author": [{"reference": "Patient/example"}],
    },
}
"""What the page's own example, the id `example`, finds."""
FLAGS = ("--include-path-regex", "^/fhir", "--checks", "not_a_server_error", "--continue-on-failure")


def main() -> int:
    """Schemathesis's exit code."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "300"
    with tempfile.TemporaryDirectory(prefix="chartline-fuzz-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "data", fsync="off")
        try:
            with serving(make_conninfo(postgres.start(), dbname="postgres")) as running:
                put(context_of(running.service), RECORD)
                root = running.base.removesuffix("/fhir")
                httpx.get(f"{root}/openapi.json", timeout=60).raise_for_status()
                command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{root}/openapi.json"]
                return subprocess.run([*command, *FLAGS, "--max-time", seconds], cwd=folder).returncode
        finally:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())

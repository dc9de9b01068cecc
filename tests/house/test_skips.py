"""What CI may not pass over in silence: a test that did not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = (
    'import pytest\n\ndef test_runs(): ...\n\n@pytest.mark.skipif(True, reason="{}")\ndef test_waits(): ...\n'
)


def _run(folder: Path, reason: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(TESTS.format(reason))
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "--rootdir", str(folder), str(folder)]
    kept = {name: value for name, value in os.environ.items() if name != "CHARTLINE_NO_SKIPS"}
    given = kept | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, env=given, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("reason", "environment", "code"),
    [
        ("no browser", {"CHARTLINE_NO_SKIPS": "1"}, 1),
        ("no browser", {}, 0),
        ("the extra [fixtures] is not installed", {"CHARTLINE_NO_SKIPS": "1"}, 0),
    ],
)
def test_a_test_that_did_not_run_fails_the_run_in_ci(
    tmp_path: Path, reason: str, environment: dict[str, str], code: int
) -> None:
    done = _run(tmp_path, reason, **environment)
    assert done.returncode == code, done.stdout
    assert ("did not run: test_some.py::test_waits" in done.stdout) is bool(code)


def test_ci_asks_for_it() -> None:
    assert "export CHARTLINE_NO_SKIPS=1" in (ROOT / ".ci/run").read_text()

"""The helper that unpacks real data says why it skips, and unpacks once. https://docs.python.org/3/library/tarfile.html"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.real_data import VARIABLE, real_data, real_resources


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one archive `some`, and a temporary folder of its own."""
    (tmp_path / "some").mkdir()
    (tmp_path / "some/a.json").write_text('{"resourceType": "Patient"}')
    with tarfile.open(tmp_path / "some.tar.xz", "w:xz") as tar:
        tar.add(tmp_path / "some", arcname="some")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def test_unpacks_once(archives: Path) -> None:
    first = real_data("some")
    (first / "mark").touch()
    assert (real_data("some") / "mark").exists()
    assert [(path.name, resource) for path, resource in real_resources("some")] == [
        ("a.json", {"resourceType": "Patient"})
    ]


def test_skips_with_a_reason(archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"no other\.tar\.xz"):
        real_data("other")
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(pytest.skip.Exception, match="is not set"):
        real_data("some")

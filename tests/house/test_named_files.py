"""Every file that SECURITY.md and docs/hipaa.md name is there: a safeguard that nobody can look at is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PATH = re.compile(r"`((?:fhir_server|ai_layer|mappings|terminology|tests|docs|fixtures)/[\w./-]+)`")


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/hipaa.md"])
def test_every_file_that_the_page_names_is_there(page: str) -> None:
    named = set(_PATH.findall((ROOT / page).read_text()))
    assert len(named) > 15
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_every_safeguard_has_a_row_with_a_test() -> None:
    rows = [line for line in (ROOT / "docs/hipaa.md").read_text().splitlines() if line.startswith("| (")]
    wanted = (
        "(a)(1)",
        "(a)(2)(i)",
        "(a)(2)(ii)",
        "(a)(2)(iii)",
        "(a)(2)(iv)",
        "(b)",
        "(c)(1)",
        "(c)(2)",
        "(d)",
    )
    assert [row.split()[1] for row in rows] == [*wanted, "(e)(1)", "(e)(2)(i)", "(e)(2)(ii)"]
    assert all("`tests/" in row for row in rows)

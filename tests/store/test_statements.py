"""Named SQL files."""

from __future__ import annotations

import pytest

from fhir_server.store.statements import parse

TEXT = """-- Statements of the tests.

-- name: read_one
-- One row, by primary key.
SELECT * FROM thing WHERE id = %s;

-- name: count_all
SELECT count(*)
FROM thing
"""


def test_statements_are_found_by_name_with_their_comments() -> None:
    found = parse(TEXT)
    assert list(found) == ["read_one", "count_all"]
    assert found["read_one"] == "-- One row, by primary key.\nSELECT * FROM thing WHERE id = %s"
    assert found["count_all"] == "SELECT count(*)\nFROM thing"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT 1;\n-- name: a\nSELECT 2", "before the first name"),
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "given twice"),
        ("-- name: a\n-- only words\n-- name: b\nSELECT 2", "a has no statement"),
    ],
)
def test_a_file_that_breaks_the_form_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)

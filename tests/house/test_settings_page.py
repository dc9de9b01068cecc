"""docs/settings.md lists each setting as the table in fhir_server/settings.py has it, and nothing else."""

from __future__ import annotations

from pathlib import Path

from fhir_server.settings import SETTINGS, Setting

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def line(row: Setting) -> str:
    choices = f" ({', '.join(f'`{choice}`' for choice in row.choices if choice)})" if row.choices else ""
    default = (
        f"`{str(row.default).lower() if row.type is bool else row.default}`" if row.default != "" else "empty"
    )
    return f"| `{row.variable}` | `{row.flag}` | {default} | {row.help}{choices} |"


def test_the_page_has_a_line_for_each_setting_in_the_tables_order() -> None:
    lines = [text for text in PAGE.read_text().splitlines() if " | `--" in text]
    assert lines == [line(row) for row in SETTINGS]

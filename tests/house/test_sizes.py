"""The house's sizes: what a newcomer can hold in the head. Files and functions of the packages, tests and data apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("terminology", "mappings", "fhir_server", "ai_layer", "fixtures")


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def functions() -> Iterator[tuple[str, int]]:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield (
                    f"{path.relative_to(ROOT)}:{node.name}",
                    (node.end_lineno or node.lineno) - node.lineno + 1,
                )


def test_no_file_is_over_500_lines_and_nine_of_ten_are_under_300() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files()}
    assert not {name: length for name, length in lengths.items() if length > 500}
    assert quantiles(lengths.values(), n=10)[8] <= 300
    assert median(lengths.values()) <= 120


def test_no_function_is_over_60_lines_and_nine_of_ten_are_under_25() -> None:
    lengths = dict(functions())
    assert not {name: length for name, length in lengths.items() if length > 60}
    assert quantiles(lengths.values(), n=10)[8] <= 25
    assert median(lengths.values()) <= 8


def test_every_file_says_first_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in files() if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []

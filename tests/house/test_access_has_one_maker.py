"""An Access comes from decide() and from nowhere else; what decides is pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("fhir_server", "ai_layer", "mappings", "terminology")
MAKER = ROOT / "fhir_server/access/decide.py"
IMPURE = (
    "psycopg",
    "fastapi",
    "starlette",
    "langchain",
    "httpx",
    "fhirpy",
    "fhir_server.store",
    "fhir_server.rest",
)
FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nobody_but_decide_makes_an_access(file: Path) -> None:
    tree = ast.parse(file.read_text())
    if file != MAKER:
        assert "Access" not in _calls(tree)
        assert "fhir_server.access.decide._MAKER" not in set(_imports(tree))
        assert "_MAKER" not in {getattr(node, "attr", "") for node in ast.walk(tree)}


@pytest.mark.parametrize(
    "file", sorted((ROOT / "fhir_server/access").glob("*.py")), ids=lambda file: file.name
)
def test_what_decides_is_pure(file: Path) -> None:
    assert not [name for name in _imports(ast.parse(file.read_text())) if name.startswith(IMPURE)]


def test_decide_makes_it_in_one_place() -> None:
    assert list(_calls(ast.parse(MAKER.read_text()))).count("Access") == 1

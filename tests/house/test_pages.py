"""What users meet has its page: interactions, operations, problems; and the imported packages are ours."""

from __future__ import annotations

import re
from pathlib import Path

import mappings
import terminology
from ai_layer import operations as assistant
from ai_layer.drafts import operations as drafts
from ai_layer.tools import operations as tools
from fhir_server import interactions, service
from fhir_server.access.policy import OPERATIONS
from fhir_server.r4.outcome import Problem

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
ALL = (*service.OPERATIONS, *assistant.OPERATIONS, *drafts.OPERATIONS, *tools.OPERATIONS)


def test_the_packages_with_common_names_are_ours() -> None:
    assert Path(str(mappings.__file__)).parent == ROOT / "mappings"
    assert Path(str(terminology.__file__)).parent == ROOT / "terminology"


def test_each_operation_has_its_section() -> None:
    page = (DOCS / "operations.md").read_text()
    for operation in ALL:
        assert f"## `${operation.code}`" in page
        for parameter in operation.parameters:
            assert f"`{parameter.name}`" in page, f"${operation.code}: {parameter.name}"


def test_each_operation_says_who_may_call_it() -> None:
    assert {f"${operation.code}" for operation in ALL} == set(OPERATIONS)


def test_each_problem_has_its_row() -> None:
    page = (DOCS / "errors.md").read_text()
    for problem in Problem:
        assert re.search(
            rf"\| {problem.status} \| `{problem.code}` \| {re.escape(problem.value[2])} \|", page
        ), problem.name


def test_each_migration_that_waits_for_reindex_is_named_to_those_who_upgrade() -> None:
    page = (DOCS / "upgrading.md").read_text()
    folder = ROOT / "fhir_server" / "store" / "sql"
    waiting = [
        p.stem for p in folder.glob("*.sql") if re.search(r"INTO pending_parameter|reindex", p.read_text())
    ]
    assert waiting
    assert [name for name in waiting if f"`{name}`" not in page] == []


def test_each_interaction_has_its_row() -> None:
    page = (DOCS / "api.md").read_text()
    folder = Path(str(interactions.__file__)).parent
    named = {
        "read",
        "create",
        "update",
        "patch",
        "delete",
        "history",
        "search",
        "capabilities",
        "batch",
        "transaction",
    }
    assert named <= {path.stem for path in folder.glob("*.py")}
    for name in named:
        assert f"`{name}`" in page


def test_nothing_in_the_tree_names_this_machine_or_waits_to_be_done() -> None:
    words = re.compile(r"\b(?:TODO|FIXME|XXX)\b|/home/\w+/|/root/")
    own = Path(__file__)
    found = [
        p
        for suffix in ("*.py", "*.md", "*.sql", "*.js")
        for p in ROOT.rglob(suffix)
        if ".venv" not in p.parts and p != own
    ]
    assert [str(p.relative_to(ROOT)) for p in found if words.search(p.read_text())] == []

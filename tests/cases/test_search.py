"""The search cases in fixtures/cases/search: given resources, a search, and what it finds.

A case: `it` (a sentence), `given` (Type/id: elements; else the file's own `given`), `search` (type?query), and one of `finds` (ids, any order),
`in_order` (ids in this order), `includes` (ids) or `refuses` (part of the error's text).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from fhir_server.interactions.context import Context
from fhir_server.interactions.search import compartment, search
from fhir_server.r4.outcome import FhirError
from fhir_server.store.write import Write
from tests.service import context_of, ids, put, service_on

CASES = Path(__file__).parent.parent.parent / "fixtures" / "cases" / "search"
FILES = sorted(CASES.glob("*.yaml"))
Case = dict[str, Any]


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_search_cases(path: Path, dsn: str) -> None:
    document = yaml.safe_load(path.read_text())
    service = service_on(dsn)
    context = context_of(service)
    put(context, document.get("given", {}))
    failures = []
    for case in document["cases"]:
        own = case.get("given", {})
        put(context, own)
        said = _check(context, case)
        if said:
            failures.append(f"{case['it']} ({case['search']}): {said}")
        _put_away(context, own)
    service.database.close()
    assert not failures, "\n".join(failures)


def _put_away(context: Context, given: Case) -> None:
    """The next case starts from the file's own resources again."""
    if given:
        with context.connect() as connection:
            context.apply(connection, [_deletion(name) for name in given])


def _deletion(name: str) -> Write:
    kind, _, logical_id = name.partition("/")
    return Write(kind, logical_id, None)


def _check(context: Context, case: Case) -> str:
    path, _, query = case["search"].partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    try:
        body = _searched(context, path, pairs)
    except FhirError as error:
        wanted = case.get("refuses")
        return "" if wanted and wanted in str(error) else f"refused: {error}"
    if "refuses" in case:
        return "was not refused"
    found, included = ids(body), ids(body, "include")
    if "in_order" in case and found != case["in_order"]:
        return f"found {found}, not {case['in_order']}"
    if "finds" in case and sorted(found) != sorted(case["finds"]):
        return f"found {sorted(found)}, not {sorted(case['finds'])}"
    if "includes" in case and sorted(included) != sorted(case["includes"]):
        return f"included {sorted(included)}, not {sorted(case['includes'])}"
    return ""


def _searched(context: Context, path: str, pairs: list[tuple[str, str]]) -> bytes | None:
    parts = path.split("/")
    if len(parts) == 3:
        return compartment(context, (parts[0], parts[1]), parts[2].removeprefix("*"), pairs).body
    return search(context, path, pairs).body

"""The search cases in fixtures/cases/search: given resources, a search, and what it finds.

A case: `it` (a sentence), `given` (Type/id: elements; else the file's own `given`), `search` (type?query), `lenient` (as by the Prefer header),
and what is expected, of which HOLDS lists the words: `finds` (ids, any order; contained ones as id#inner), `in_order`, `includes`, `total`,
`links` (relations), `self` (the self link behind the base), `pages` (the ids of each page, forwards by `next` and again backwards by
`previous`), `elements` (members of each match), `warns` (part of an issue in the Bundle), or `refuses` (part of the error's text).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
import yaml

from fhir_server.interactions.context import Context
from fhir_server.interactions.search import compartment, search
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from fhir_server.store.write import Write
from tests.service import BASE, context_of, put, service_on

CASES = Path(__file__).parent.parent.parent / "fixtures" / "cases" / "search"
FILES = sorted(CASES.glob("*.yaml"))
MEMBERS = frozenset(["it", "given", "search", "lenient", "refuses"])
Case = dict[str, Any]
Bundle = dict[str, Any]


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
        said = _check(context_of(service, lenient=case.get("lenient", False)), case)
        failures += [f"{case['it']} ({case['search']}): {text}" for text in said]
        _put_away(context, own)
    service.database.close()
    assert not failures, "\n".join(failures)


def test_there_are_hundreds_of_cases_and_each_file_links_its_paragraph() -> None:
    documents = {path: yaml.safe_load(path.read_text()) for path in FILES}
    sentences = [(path.stem, case["it"]) for path, found in documents.items() for case in found["cases"]]
    searches = [(path.stem, str(case)) for path, found in documents.items() for case in found["cases"]]
    assert len(sentences) >= 450
    assert len(set(sentences)) == len(sentences)
    assert len(set(searches)) == len(searches)
    assert all(path.read_text().startswith("# https://hl7.org/fhir/R4/") for path in FILES)


def _put_away(context: Context, given: Case) -> None:
    """The next case starts from the file's own resources again."""
    if given:
        with context.connect() as connection:
            context.apply(connection, [_deletion(name) for name in given])


def _deletion(name: str) -> Write:
    kind, _, logical_id = name.partition("/")
    return Write(kind, logical_id, None)


def _check(context: Context, case: Case) -> list[str]:
    try:
        bundle = _searched(context, case["search"])
    except FhirError as error:
        wanted = case.get("refuses")
        return [] if wanted and wanted in str(error) else [f"refused: {error}"]
    if "refuses" in case:
        return ["was not refused"]
    words = case.keys() - MEMBERS
    if not words or words - HOLDS.keys():
        return [f"the case says nothing that is known: {sorted(words)}"]
    return [said for word in sorted(words) if (said := HOLDS[word](context, bundle, case[word]))]


def _searched(context: Context, address: str) -> Bundle:
    path, _, query = address.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    parts = path.split("/")
    if len(parts) == 3:
        found = compartment(context, (parts[0], parts[1]), parts[2].removeprefix("*"), pairs)
    else:
        found = search(context, path, pairs)
    return json.decode_object(found.body or b"{}")


def _ids(bundle: Bundle, mode: str = "match") -> list[str]:
    found = [e for e in bundle.get("entry", ()) if e["search"]["mode"] == mode]
    return [e["fullUrl"].removeprefix(BASE + "/").partition("/")[2] for e in found]


def _differs(what: str, found: object, wanted: object) -> str:
    return "" if found == wanted else f"{what} {found}, not {wanted}"


def _links(bundle: Bundle) -> dict[str, str]:
    return {link["relation"]: link["url"].removeprefix(BASE).lstrip("/") for link in bundle["link"]}


def _pages(context: Context, bundle: Bundle, wanted: list[list[str]]) -> str:
    """Forwards from the first page, and backwards from the last one."""
    there, page = [_ids(bundle)], bundle
    while len(there) <= len(wanted) and (following := _links(page).get("next")):
        page = _searched(context, unquote(following))
        there.append(_ids(page))
    back = [_ids(page)]
    while len(back) <= len(wanted) and (earlier := _links(page).get("previous")):
        page = _searched(context, unquote(earlier))
        back.insert(0, _ids(page))
    return _differs("pages", there, wanted) or _differs("pages backwards", back, wanted)


def _elements(context: Context, bundle: Bundle, wanted: list[str]) -> str:
    every = [sorted(e["resource"]) for e in bundle["entry"] if e["search"]["mode"] == "match"]
    return next((said for found in every if (said := _differs("elements", found, sorted(wanted)))), "")


def _warns(context: Context, bundle: Bundle, wanted: str) -> str:
    every = [e["resource"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "outcome"]
    text = " ".join(str(issue) for outcome in every for issue in outcome["issue"])
    return "" if wanted in text else f"warned {text!r}"


HOLDS: dict[str, Callable[[Context, Bundle, Any], str]] = {
    "finds": lambda context, bundle, wanted: _differs("found", sorted(_ids(bundle)), sorted(wanted)),
    "in_order": lambda context, bundle, wanted: _differs("found", _ids(bundle), wanted),
    "includes": lambda context, bundle, wanted: _differs(
        "included", sorted(_ids(bundle, "include")), sorted(wanted)
    ),
    "total": lambda context, bundle, wanted: _differs("total", bundle.get("total", "none"), wanted),
    "links": lambda context, bundle, wanted: _differs("links", sorted(_links(bundle)), sorted(wanted)),
    "self": lambda context, bundle, wanted: _differs("self", unquote(_links(bundle)["self"]), wanted),
    "pages": _pages,
    "elements": _elements,
    "warns": _warns,
}

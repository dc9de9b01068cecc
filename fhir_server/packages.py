"""packages: the definitions of a FHIR package become resources of this server, in one transaction.

Each has an id that follows from its canonical URL and version, so that versions stand side by side and the same package again changes
nothing. A definition that is not valid R4 is named and left out; a package that is needed and not there is named, the rest goes in.
https://hl7.org/fhir/R4/packages.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fhir_server.ingest import Ingested
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.entries import entries_of
from fhir_server.interactions.transaction import transaction
from fhir_server.interactions.writing import again
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Issue
from fhir_server.r4.validate import validate
from fhir_server.store import packages as store
from mappings import package as files
from mappings.identity import id_of_url
from mappings.package import NotAPackage, Package

Json = dict[str, Any]


def load_packages(context: Context, paths: Iterable[Path]) -> Iterator[Ingested]:
    """Load the packages, each behind those that it needs; what is not one is a failure of its own."""
    found: list[tuple[str, Package]] = []
    for path in paths:
        try:
            found.append((str(path), files.read(path.name, path.read_bytes(), json.decode_object)))
        except (NotAPackage, OSError) as error:
            yield Ingested(str(path), "failed", issues=[Issue("structure", str(error)).as_json()])
    for name, package in files.by_need(found):
        try:
            changed, count, issues = load_package(context, package)
        except FhirError as error:
            yield Ingested(name, "failed", issues=[issue.as_json() for issue in error.issues])
        else:
            said = [issue.as_json() for issue in issues]
            yield Ingested(name, "loaded" if changed else "unchanged", count, said)


def load_package(context: Context, package: Package) -> tuple[bool, int, list[Issue]]:
    """Load one. Raises FhirError, and then nothing of it is there."""
    issues = [_warning("structure", f"Left out: {text}.") for text in package.unread]
    good = list(_good(package.definitions, issues))
    results, missing = _written(context, package, good, issues)
    issues += _told(good, results)
    issues += missing
    return any(result.changed for result in results), len(good), issues


def _written(
    context: Context, package: Package, good: list[Json], issues: list[Issue]
) -> tuple[list[Result], list[Issue]]:
    """Write them; one that the server refuses (a search parameter that it cannot carry out) is named and left out."""
    while True:
        try:
            return again(context, lambda: _attempt(context, package, good))
        except FhirError as error:
            entry = _ENTRY.match(error.issues[0].expression)
            if entry is None:
                raise
            refused = good.pop(int(entry[1]))
            issues.append(
                _warning("processing", f"Left out: {_named(refused)}: {error.issues[0].diagnostics}")
            )


_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")


def _named(found: Json) -> str:
    return f"{found['resourceType']} {found.get('url')}"[:200]


def _attempt(context: Context, package: Package, good: list[Json]) -> tuple[list[Result], list[Issue]]:
    with context.transaction() as inside:
        assert inside.connection is not None
        known = store.loaded(inside.connection)
        missing = [
            _lacking(name, version, known.get(name, set()))
            for name, version in package.needs.items()
            if not files.is_met(version, known.get(name, set()))
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(found) for found in good]}
        results = transaction(inside, entries_of(bundle), known_content=True)
        store.remember(inside.connection, package.name, package.version, context.now())
    return results, missing


def _lacking(name: str, version: str, there: set[str]) -> Issue:
    """A package that is needed: it is not here at all, or in other versions, whose definitions count then."""
    if there:
        loaded = ", ".join(sorted(there))
        return _warning(
            "not-found", f"It needs {name} {version}; loaded is {loaded}, whose definitions count instead."
        )
    return _warning(
        "not-found", f"It needs {name} {version}, which is not loaded. What rests on it is not checked."
    )


def _told(good: Sequence[Json], results: Sequence[Result]) -> list[Issue]:
    """What was said of each definition; what is said alike of many, once."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for found, result in zip(good, results, strict=True):
        for issue in (result.outcome or {}).get("issue", ()) if result.changed else ():
            key = (issue["severity"], issue["code"], issue["diagnostics"])
            said.setdefault(key, []).append(_named(found))
    return [
        Issue(
            code, f"{names[0] if len(names) == 1 else f'{len(names)} definitions'}: {text}", severity=severity
        )
        for (severity, code, text), names in said.items()
    ]


def _good(definitions: Iterable[Json], issues: list[Issue]) -> Iterator[Json]:
    """Those that are valid R4, once each."""
    seen: set[str] = set()
    for found in definitions:
        kind, url = found["resourceType"], found.get("url")
        name = f"{kind} {url or found.get('id')}"[:200]
        wrong = [issue for issue in validate(found) if issue.severity == "error"]
        if wrong:
            text = f"Left out: {name}: {wrong[0].diagnostics}"
            issues.append(Issue(wrong[0].code, text, wrong[0].expression, "warning", wrong[0].key))
        elif not isinstance(url, str) and kind != "NamingSystem":
            issues.append(_warning("required", f"Left out: {name} has no url."))
        elif (identity := _identity(found)) not in seen:
            seen.add(identity)
            yield {**found, "id": identity}


def _identity(found: Json) -> str:
    canonical = found.get("url") or f"NamingSystem/{found.get('name')}"
    return id_of_url(f"{found['resourceType']} {canonical}|{found.get('version', '')}")


def _entry(found: Json) -> Json:
    url = f"{found['resourceType']}/{found['id']}"
    return {"resource": found, "request": {"method": "PUT", "url": url}}


def _warning(code: str, text: str) -> Issue:
    return Issue(code, text, severity="warning")

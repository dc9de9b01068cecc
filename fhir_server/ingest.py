"""ingest: what comes from outside -> one transaction, loaded twice without a trace.

The same source again changes nothing: mappings.bundle gives each resource an id that follows from its source, and content that any
earlier version had is no update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.entries import entries_of
from fhir_server.interactions.transaction import transaction
from fhir_server.r4 import json, xml
from fhir_server.r4.outcome import FhirError, Problem
from mappings.bundle import collection, normalise
from mappings.files import lines
from mappings.problem import NotMappable
from mappings.source import Kind, Source

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of one source: `status` loaded, unchanged, skipped or failed; `issues` as OperationOutcome.issue has them.

    `maps`: canonicals of the ConceptMaps that translated a code of it."""

    file: str
    status: str
    resources: int = 0
    issues: list[Json] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    maps: frozenset[str] = frozenset()


def ingest(context: Context, source: Source) -> Ingested:
    """Load one source; a failure is in the result, and leaves nothing behind."""
    read = _READ.get(source.kind)
    if read is None:
        return Ingested(
            source.name,
            "skipped" if source.kind is Kind.SKIPPED else "failed",
            issues=[_issue(source.reason or _NOT_YET)],
        )
    try:
        return ingest_bundle(context, read(source), source.name)
    except FhirError as error:
        return Ingested(source.name, "failed", issues=[issue.as_json() for issue in error.issues])


def ingest_bundle(context: Context, found: Json, name: str) -> Ingested:
    """Load a Bundle of any type, or a single resource. Raises FhirError."""
    try:
        bundle = normalise(found, name, context.base + "/")
    except NotMappable as error:
        raise FhirError(Problem.BAD_REQUEST, str(error), error.expression) from None
    translations = context.service.maps.translations(context.service.settings.code_maps)
    bundle, maps = translations.added_to(bundle)
    results = transaction(context, entries_of(bundle), known_content=True)
    changed = any(result.changed for result in results)
    status = "loaded" if changed else "unchanged"
    return Ingested(name, status, len(results), issues=_told(results), results=results, maps=maps)


def _told(results: Sequence[Result]) -> list[Json]:
    """What was let pass in the entries, the first MOST_TOLD of it; a write's outcome says that only."""
    every = (
        issue | {"expression": [_moved(at, where) for where in issue.get("expression", ())]}
        for at, result in enumerate(results)
        if result.is_write and result.outcome
        for issue in result.outcome["issue"]
    )
    return list(islice(every, MOST_TOLD))


def _moved(entry: int, expression: str) -> str:
    tail = expression.partition(".")[2]
    return f"Bundle.entry[{entry}].resource" + (f".{tail}" if tail else "")


def _ndjson(source: Source) -> Json:
    return collection([json.decode_object(line) for line in lines(source)])


MOST_TOLD = 20
_NOT_YET = "C-CDA and HL7 v2 are recognised, but their mapping is not part of this version."
_READ: dict[Kind, Callable[[Source], Json]] = {
    Kind.JSON: lambda source: json.decode_object(source.body),
    Kind.XML: lambda source: xml.from_xml(source.body),
    Kind.NDJSON: _ndjson,
}


def _issue(text: str) -> Json:
    return {"severity": "error", "code": "not-supported", "diagnostics": text}

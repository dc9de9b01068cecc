"""Composition/$document: the composition, and all that it refers to, as one Bundle of type document.

What it names itself has to be there; of what that refers to in its turn, whatever may be read comes along.
https://hl7.org/fhir/R4/composition-operation-document.html and https://hl7.org/fhir/R4/documents.html#content
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.interactions.read import read
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.r4 import json, reference
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store
from fhir_server.store.identities import Identity
from fhir_server.store.read import Version
from fhir_server.store.write import instant

Json = dict[str, Any]
MOST = 5000
"""Resources of one document."""


def document(context: Context, request: OperationRequest) -> Result:
    """200 with the document; with `persist` it is kept as well: then 201, and Location says where."""
    logical_id, is_kept = _id(context, request), _wants_kept(request)
    with context.transaction() as inside:
        first = json.decode_object(read(inside, "Composition", logical_id).body or b"{}")
        own = _named(context, [first])
        direct = _fetch(inside, own)
        _refuse_missing(context, first, own - direct.keys())
        bodies = [json.decode_object(v.body or b"{}") for v in direct.values()]
        further = _fetch(inside, _named(context, bodies) - direct.keys() - {("Composition", logical_id)})
        bundle = _bundle(context, first, [*direct.values(), *further.values()])
        if is_kept:
            return create(inside, "Bundle", bundle)
    return Result(200, json.encode(bundle))


def _id(context: Context, request: OperationRequest) -> str:
    given = str(request.value("id", ""))
    if request.id and given:
        raise FhirError(Problem.BAD_PARAMETER, "id: the address names the composition already.")
    if request.value("graph"):
        raise FhirError(Problem.NOT_SUPPORTED, "graph: this server does not follow a GraphDefinition.")
    found = request.id or given.removeprefix(f"{context.base}/").removeprefix("Composition/")
    if not found or "/" in found:
        raise FhirError(Problem.BAD_PARAMETER, "id: expected the id of a Composition of this server.")
    return found


def _wants_kept(request: OperationRequest) -> bool:
    text = str(request.value("persist", "false")).lower()
    if text not in ("true", "false"):
        raise FhirError(Problem.BAD_PARAMETER, "persist: expected true or false.")
    return text == "true"


def _named(context: Context, resources: Iterable[Json]) -> set[Identity]:
    """The resources of this server that they refer to."""
    found = set()
    for resource in resources:
        for text in reference.references(resource):
            try:
                parsed = reference.parse(text, context.base)
            except ValueError:
                continue
            if parsed.kind is reference.Kind.LOCAL:
                found.add((parsed.type, parsed.id))
    return found


def _fetch(context: Context, wanted: set[Identity]) -> dict[Identity, Version]:
    if len(wanted) > MOST:
        raise FhirError(Problem.TOO_LARGE, f"A document has at most {MOST} resources.")
    if not wanted:
        return {}
    with context.connect() as connection:
        found = store.several(connection, context.access, sorted(wanted))
    return {(version.type, version.id): version for version in found}


def _refuse_missing(context: Context, composition: Json, missing: set[Identity]) -> None:
    for kind, logical_id in sorted(missing):
        text = f"{kind}/{logical_id}"
        place = reference.place_of(composition, text)
        said = "A resource that the composition refers to is not there."
        raise FhirError(Problem.NOT_PROCESSABLE, said, f"Composition.{place}" if place else "Composition")


def _bundle(context: Context, first: Json, found: Iterable[Version]) -> Json:
    resources = [first, *(json.decode_object(version.body or b"{}") for version in found)]
    return {
        "resourceType": "Bundle",
        "id": context.service.new_id(),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{context.service.new_id()}"},
        "type": "document",
        "timestamp": instant(context.now()),
        "entry": [
            {"fullUrl": f"{context.base}/{r['resourceType']}/{r['id']}", "resource": r} for r in resources
        ],
    }


OPERATION = Operation(
    "document",
    "A composition and all that it refers to, as a document",
    document,
    ("Composition",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("id", "in", 0, "1", "uri", "the composition, where the address does not name it"),
        Parameter(
            "persist", "in", 0, "1", "boolean", "keep the document as a Bundle; false where nothing is said"
        ),
        Parameter("graph", "in", 0, "1", "uri", "not followed by this server"),
        Parameter("return", "out", 1, "1", "Bundle", "document"),
    ),
)

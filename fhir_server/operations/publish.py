"""publish: the definitions of this server's operations, named queries and extension, kept as resources, read and found like any other.

https://hl7.org/fhir/R4/operationdefinition.html and https://hl7.org/fhir/R4/defining-extensions.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.context import Context
from fhir_server.interactions.update import update
from fhir_server.search.named import QUERIES
from mappings.translated import TRANSLATED_BY

CANONICAL = "https://chartline.example/fhir"
"""What their urls start with, wherever the server runs."""


def publish(context: Context) -> None:
    """Write them; those that are there unchanged make no version."""
    for operation in context.service.operations.all:
        update(context, "OperationDefinition", operation.id, operation.definition(CANONICAL))
    for query in QUERIES.values():
        update(context, "OperationDefinition", query.id, query.definition(CANONICAL))
    update(context, "StructureDefinition", EXTENSION["id"], EXTENSION)


EXTENSION: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "id": "translated-by",
    "url": TRANSLATED_BY,
    "name": "TranslatedBy",
    "title": "The ConceptMap that a Coding was added by",
    "status": "active",
    "fhirVersion": "4.0.1",
    "kind": "complex-type",
    "abstract": False,
    "context": [{"type": "element", "expression": "Coding"}],
    "type": "Extension",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Extension", "path": "Extension", "max": "1"},
            {"id": "Extension.extension", "path": "Extension.extension", "max": "0"},
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": TRANSLATED_BY},
            {
                "id": "Extension.value[x]",
                "path": "Extension.value[x]",
                "min": 1,
                "type": [{"code": "canonical"}],
            },
        ]
    },
}
"""Of the codings that mappings.translated adds."""

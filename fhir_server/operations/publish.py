"""publish: the OperationDefinitions of this server's operations, kept as resources, so that they are read and found like any other.

https://hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from fhir_server.interactions.context import Context
from fhir_server.interactions.update import update

CANONICAL = "https://chartline.example/fhir"
"""What their urls start with, wherever the server runs."""


def publish(context: Context) -> None:
    """Write them; those that are there unchanged make no version."""
    for operation in context.service.operations.all:
        update(context, "OperationDefinition", operation.id, operation.definition(CANONICAL))

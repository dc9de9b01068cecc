"""$convert: a resource in one format comes back in the other, unread and unchanged.

Content-Type says what came, Accept or `_format` what goes. https://hl7.org/fhir/R4/resource-operation-convert.html
"""

from __future__ import annotations

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem


def convert(context: Context, request: OperationRequest) -> Result:
    """200 with the resource itself; it is neither checked nor stored."""
    found = request.value("input", request.value("resource"))
    if not isinstance(found, dict):
        raise FhirError(Problem.BAD_REQUEST, "There is no resource to convert.", "Parameters.parameter")
    kind = found.get("resourceType")
    if not isinstance(kind, str) or kind not in TYPE_CODE:
        raise FhirError(Problem.BAD_REQUEST, "R4 has no resource type of this name.", "resourceType")
    return Result(200, json.encode(found))


OPERATION = Operation(
    "convert",
    "A resource in another format",
    convert,
    system=True,
    parameters=(
        Parameter("input", "in", 1, "1", "Resource", "the body itself, as JSON or XML; or a parameter"),
        Parameter("output", "out", 1, "1", "Resource", "the same in the format of Accept or _format"),
    ),
)

"""Patient/$everything: the patient, what the patient's compartment holds, and what that refers to.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.search.query import InCompartment

PASSED = ("_since", "_type", "_count", "_cursor")


def everything(context: Context, request: OperationRequest) -> Result:
    """A searchset, page by page. Raises NOT_FOUND where there is no such patient."""
    read(context, "Patient", request.id)
    given = {name: str(value) for name in PASSED if (value := request.value(name)) is not None}
    pairs = [("_lastUpdated", f"ge{given['_since']}")] if "_since" in given else []
    pairs += [(name, given[name]) for name in ("_type", "_count", "_cursor") if name in given]
    within = [InCompartment("Patient", request.id)]
    return search(context, "", pairs, within=within, path=f"Patient/{request.id}/$everything")


OPERATION = Operation(
    "everything",
    "Everything that belongs to a patient",
    everything,
    ("Patient",),
    instance=True,
    parameters=(
        Parameter("_since", "in", 0, "1", "instant", "changed since"),
        Parameter("_type", "in", 0, "*", "code", "resource types, separated by commas"),
        Parameter("_count", "in", 0, "1", "integer", "resources in a page"),
        Parameter("return", "out", 1, "1", "Bundle", "searchset"),
    ),
)

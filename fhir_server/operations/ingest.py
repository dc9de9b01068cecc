"""$ingest: a Bundle of any type from outside, loaded so that a second time changes nothing.

SURFACE of the product: Parameters `outcome`, `result` (transaction-response), `provenance`, `patient`.
"""

from __future__ import annotations

from typing import Any

from fhir_server.access import provenance
from fhir_server.ingest import ingest_bundle
from fhir_server.interactions.bundle import response
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.create import create
from fhir_server.interactions.writing import again
from fhir_server.operations.registry import Operation, OperationRequest, Parameter
from fhir_server.r4 import json, ndjson, xml
from fhir_server.r4.outcome import FhirError, Problem, information
from mappings.bundle import collection

Json = dict[str, Any]
NDJSON = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")
_NOT_YET = ("application/cda+xml", "x-application/hl7-v2+er7")


def ingest(context: Context, request: OperationRequest) -> Result:
    """Load it, and keep a Provenance for what was new."""
    return again(context, lambda: _ingest(context, request))


def _ingest(context: Context, request: OperationRequest) -> Result:
    with context.transaction() as inside:
        loaded = ingest_bundle(inside, _bundle(request), f"$ingest {context.request_id}")
        written = [f"{r.type}/{r.id}/_history/{r.version}" for r in loaded.results if r.changed]
        patients = [f"{r.type}/{r.id}" for r in loaded.results if r.type == "Patient"]
        found: list[Json] = [
            {
                "name": "outcome",
                "resource": information(f"{len(loaded.results)} resources, {len(written)} written."),
            },
            {
                "name": "result",
                "resource": json.decode_object(response(context, "transaction", loaded.results)),
            },
        ]
        if written:
            source = provenance.ingested(
                written, context.now(), "$ingest", context.access.actor, maps=sorted(loaded.maps)
            )
            kept = create(inside, "Provenance", source)
            found.append({"name": "provenance", "valueReference": {"reference": f"Provenance/{kept.id}"}})
        found += [
            {"name": "patient", "valueReference": {"reference": patient}}
            for patient in dict.fromkeys(patients)
        ]
    return Result(200, json.encode({"resourceType": "Parameters", "parameter": found}))


def _bundle(request: OperationRequest) -> Json:
    if request.content_type in _NOT_YET:
        raise FhirError(
            Problem.UNSUPPORTED_MEDIA, "C-CDA and HL7 v2 are recognised, but not mapped by this version."
        )
    if request.content_type in ("application/fhir+xml", "application/xml", "text/xml"):
        if b"ClinicalDocument" in request.body[:2000]:
            raise FhirError(
                Problem.UNSUPPORTED_MEDIA, "C-CDA and HL7 v2 are recognised, but not mapped by this version."
            )
        return xml.from_xml(request.body)
    if request.content_type in NDJSON:
        return collection(ndjson.resources(request.body))
    return json.decode_object(request.body)


OPERATION = Operation(
    "ingest",
    "Load a Bundle from outside, twice without a trace",
    ingest,
    system=True,
    affects_state=True,
    takes_any_body=True,
    parameters=(
        Parameter(
            "resource",
            "in",
            1,
            "1",
            "Bundle",
            "the body itself: a Bundle of any type, a resource, or resources line by line (ndjson)",
        ),
        Parameter("outcome", "out", 1, "1", "OperationOutcome", "what came of it"),
        Parameter("result", "out", 1, "1", "Bundle", "transaction-response"),
        Parameter("provenance", "out", 0, "1", "Reference", "where it came from; none where nothing was new"),
        Parameter("patient", "out", 0, "*", "Reference", "patients in it"),
    ),
)

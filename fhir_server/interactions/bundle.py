"""POST to the base: a batch or a transaction, answered by a Bundle in the order of the entries.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fhir_server.interactions.batch import batch
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.entries import bundle_entries
from fhir_server.interactions.transaction import transaction
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem, information
from fhir_server.store.write import instant


def process(context: Context, body: bytes, preferred: str = "") -> Result:
    """200 with the response Bundle; a transaction that fails raises instead."""
    kind, entries = bundle_entries(body, context.base)
    if kind == "transaction":
        results = transaction(context, entries, with_bodies=preferred == "representation")
    elif kind == "batch":
        results = batch(context, entries)
    else:
        raise FhirError(
            Problem.BAD_REQUEST,
            "Expected a Bundle of type batch or transaction; $ingest takes the others.",
            "Bundle.type",
        )
    return Result(200, response(context, kind, results, preferred))


def response(context: Context, kind: str, results: Sequence[Result], preferred: str = "") -> bytes:
    """The batch-response or transaction-response."""
    head = {"resourceType": "Bundle", "id": context.service.new_id(), "type": f"{kind}-response"}
    text = json.encode(head)
    entries = b",".join([_entry(context, result, preferred) for result in results])
    return text[:-1] + b',"entry":[' + entries + b"]}" if entries else text


def _entry(context: Context, result: Result, preferred: str) -> bytes:
    said: dict[str, Any] = {"status": f"{result.status} {HTTPStatus(result.status).phrase}"}
    if result.location:
        said["location"] = result.location
    if result.etag:
        said["etag"] = result.etag
    if result.last_updated:
        said["lastModified"] = instant(result.last_updated)
    if result.outcome or preferred == "OperationOutcome":
        said["outcome"] = result.outcome or information("All went well.")
    text = b'{"response":%s}' % json.encode(said)
    if result.body is None or (result.is_write and preferred != "representation"):
        return text
    url = f'"fullUrl":"{context.base}/{result.type}/{result.id}",'.encode() if result.id else b""
    return b"{" + url + b'"resource":' + result.body + b"," + text[1:]

"""$reindex and $reindex-status: index stored resources by new search parameters, in the background, as R4's asynchronous requests go.

The answer is 202 with the address of the status; that answers 202 with X-Progress until the run has ended, then 200 with what came of
it, and DELETE gives the run up. https://hl7.org/fhir/R4/async.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem, information
from fhir_server.store import reindex as store
from fhir_server.store.reindex import Run
from fhir_server.store.write import instant

RETRY_AFTER = "2"
"""Seconds after which it is worth asking again."""


def start(context: Context, request: OperationRequest) -> Result:
    """Begin a run, or join one that does the same."""
    address = f"{request.type}/{request.id}/$reindex" if request.id else "$reindex"
    with context.connect() as connection:
        if request.id:
            wanted = store.defined_by(connection, request.id)
            if not wanted:
                raise _nothing(f"SearchParameter/{request.id}")
        else:
            wanted = _named(context, request)
        run_id = context.service.new_id()
        run = store.start(connection, run_id, context.now(), f"{context.base}/{address}", wanted)
    location = f"{context.base}/$reindex-status?run={run.id}"
    body = json.encode(information(f"Indexing has begun; {location} tells how it goes."))
    return Result(202, body, headers={"content-location": location})


def _named(context: Context, request: OperationRequest) -> Any:
    """Numbers and types of the parameters with these URLs; None where none is named, which means all."""
    urls = [str(url) for url in request.values("url")]
    if not urls:
        return None
    by_url = context.service.registry.by_url
    for url in urls:
        if url not in by_url:
            raise _nothing("One of the urls")
    return [(row.id, row.base) for url in urls for row in by_url[url]]


def _nothing(what: str) -> FhirError:
    return FhirError(Problem.NOT_PROCESSABLE, f"{what} defines no search parameter that is in force here.")


def status(context: Context, request: OperationRequest) -> Result:
    """How far the run is; when it has ended, what came of it."""
    run = _run(context, request)
    if run.ended is None:
        share = f"{run.done} of {run.total} resources"
        return Result(202, headers={"x-progress": share, "retry-after": RETRY_AFTER})
    if run.problem:
        raise FhirError(Problem.INTERNAL, f"The run ended after {run.done} resources: {run.problem}.")
    found: list[dict[str, Any]] = [
        {"name": "request", "valueUri": run.request},
        {"name": "started", "valueInstant": instant(run.started)},
        {"name": "ended", "valueInstant": instant(run.ended)},
        {"name": "resources", "valueInteger": run.done},
        {"name": "parameters", "valueInteger": len(run.parameters)},
    ]
    return parameters_result(found)


def give_up(context: Context, request: OperationRequest) -> Result:
    """End the run; its parameters stay unusable."""
    run = _run(context, request)
    with context.connect() as connection:
        store.end(connection, run.id, "it was given up")
    return Result(202)


def _run(context: Context, request: OperationRequest) -> Run:
    with context.connect() as connection:
        found = store.find(connection, str(request.value("run", "")))
    if found is None:
        raise FhirError(Problem.NOT_FOUND, "There is no such run.")
    return found


OPERATION = Operation(
    "reindex",
    "Index stored resources by new search parameters",
    start,
    ("SearchParameter",),
    system=True,
    instance=True,
    affects_state=True,
    parameters=(
        Parameter("url", "in", 0, "*", "uri", "parameters to index by; all where none is named"),
        Parameter("return", "out", 1, "1", "OperationOutcome", "202; Content-Location tells where to ask"),
    ),
)
STATUS = Operation(
    "reindex-status",
    "How far a run of $reindex is",
    status,
    system=True,
    on_delete=give_up,
    parameters=(
        Parameter("run", "in", 1, "1", "string", "the run"),
        Parameter("request", "out", 0, "1", "uri", "what was asked for"),
        Parameter("started", "out", 0, "1", "instant", "when it began"),
        Parameter("ended", "out", 0, "1", "instant", "when it ended"),
        Parameter("resources", "out", 0, "1", "integer", "how many were indexed"),
        Parameter("parameters", "out", 0, "1", "integer", "how many parameters can be used now"),
    ),
)

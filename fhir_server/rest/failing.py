"""What goes with a failure: the headers that HTTP wants, and where the failure lies when it lies in no element.

A place outside of a resource is named as R4 names it: `http.` and the header, the parameter, or the part of the request.
https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.location
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.interactions.capabilities import PATCH_FORMATS
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.packing import KNOWN
from fhir_server.rest.request import Incoming
from fhir_server.rest.routes import allowed

RETRY_SECONDS = "5"
"""When it is worth trying again where the database was busy."""
PLACES: dict[Problem, str] = {
    Problem.NOT_JSON: "http.body",
    Problem.TOO_LARGE: "http.body",
    Problem.UNAUTHENTICATED: "http.Authorization",
    Problem.FORBIDDEN: "http.Authorization",
    Problem.METHOD_NOT_ALLOWED: "http.method",
    Problem.NOT_ACCEPTABLE: "http.Accept",
    Problem.UNSUPPORTED_MEDIA: "http.Content-Type",
}
OF_THE_BODY = (Problem.BAD_REQUEST, Problem.INVALID, Problem.NOT_PROCESSABLE, Problem.BUSINESS_RULE)
"""Those that are usually about what was sent."""
OWN = (Problem.INTERNAL, Problem.UNAVAILABLE)
"""Those that lie nowhere in the request."""
_NAMED = ("If-Match", "If-None-Exist", "Content-Encoding", "Prefer")


def located(incoming: Incoming, error: FhirError) -> FhirError:
    """The same failure, each issue with a place."""
    if error.problem in OWN or all(issue.expression for issue in error.issues):
        return error
    place = _place(incoming, error)
    issues = [issue if issue.expression else replace(issue, expression=place) for issue in error.issues]
    return FhirError(error.problem, str(error), issues=issues)


def _place(incoming: Incoming, error: FhirError) -> str:
    """The header or the parameter that the words start with; else what the problem is usually about."""
    said = str(error)
    for name in _NAMED:
        if said.startswith(name):
            return f"http.{name}"
    asked = [name for name, _ in incoming.pairs if name and said.startswith(f"{name}:")]
    usual = "http.body" if incoming.body and error.problem in OF_THE_BODY else "http.url"
    return f"http.{asked[0]}" if asked else PLACES.get(error.problem, usual)


def headers(incoming: Incoming, error: FhirError) -> dict[str, str]:
    """By the problem."""
    if error.problem is Problem.METHOD_NOT_ALLOWED:
        refused = ("GET", "HEAD") if incoming.method in ("GET", "HEAD") else (incoming.method,)
        return {"allow": ", ".join(m for m in allowed(incoming.segments) if m not in refused)}
    if error.problem is Problem.UNSUPPORTED_MEDIA:
        return (
            {"accept-patch": ", ".join(PATCH_FORMATS)}
            if incoming.method == "PATCH"
            else {"accept-encoding": ", ".join(KNOWN)}
        )
    if error.problem is Problem.UNAVAILABLE:
        return {"retry-after": RETRY_SECONDS}
    is_unknown = error.problem is Problem.UNAUTHENTICATED
    return {"www-authenticate": 'Bearer realm="chartline"'} if is_unknown else {}

"""CodeSystem/$subsumes: whether one code is above the other.

https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from __future__ import annotations

from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.operations.terms import Coded, system_of, text_of, told, valued
from fhir_server.r4.outcome import FhirError, Problem
from terminology.codes.concept import CannotTell, System


def subsumes(context: Context, request: OperationRequest) -> Result:
    """200 with the outcome. Raises NOT_FOUND for an unknown code or code system, NOT_PROCESSABLE where it cannot be told."""
    one, other = _asked(request, "A"), _asked(request, "B")
    named = {url for url in (text_of(request, "system"), one.system, other.system) if url}
    if len(named) > 1:
        raise FhirError(Problem.NOT_SUPPORTED, "Codes of different code systems are not compared.")
    version = text_of(request, "version") or one.version or other.version
    with told():
        system = system_of(context, request, next(iter(named), ""), version)
        outcome = _outcome(system, one.code, other.code)
    return parameters_result([valued("outcome", "Code", outcome)])


def _asked(request: OperationRequest, letter: str) -> Coded:
    coding = request.value(f"coding{letter}")
    if coding is not None:
        return Coded.parse(coding, f"coding{letter}")
    code = text_of(request, f"code{letter}")
    if not code:
        raise FhirError(Problem.BAD_REQUEST, f"$subsumes needs code{letter} or coding{letter}.")
    return Coded("", code)


def _outcome(system: System, one: str, other: str) -> str:
    known = system.find([one, other])
    missing = next((code for code in (one, other) if code not in known), "")
    if missing:
        raise CannotTell("not-found", f"{system.url} has no code {missing[:100]}. {system.note}".strip())
    a, b = known[one].code, known[other].code
    if a == b:
        return "equivalent"
    if system.content != "complete":
        raise CannotTell("incomplete", system.note or f"Only a part of {system.url} is known here.")
    if a in system.above(b):
        return "subsumes"
    return "subsumed-by" if b in system.above(a) else "not-subsumed"


OPERATION = Operation(
    "subsumes",
    "Whether one code is above the other",
    subsumes,
    ("CodeSystem",),
    type_level=True,
    instance=True,
    parameters=(
        Parameter("codeA", "in", 0, "1", "code", "the one"),
        Parameter("codeB", "in", 0, "1", "code", "the other"),
        Parameter("system", "in", 0, "1", "uri", "their code system; not needed at an instance"),
        Parameter("version", "in", 0, "1", "string", "its version"),
        Parameter("codingA", "in", 0, "1", "Coding", "or the one as a coding"),
        Parameter("codingB", "in", 0, "1", "Coding", "or the other as a coding"),
        Parameter("outcome", "out", 1, "1", "code", "equivalent, subsumes, subsumed-by or not-subsumed"),
    ),
)

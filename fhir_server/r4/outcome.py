"""What can go wrong, and how it is said: Problem, FhirError and OperationOutcome.

One row a problem: HTTP status and issue code. https://hl7.org/fhir/R4/http.html#summary and https://hl7.org/fhir/R4/valueset-issue-type.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Problem(Enum):
    """HTTP status, issue code, and what it means to the caller."""

    NOT_JSON = (400, "structure", "the body is not well-formed")
    BAD_REQUEST = (400, "invalid", "the request cannot be understood")
    UNKNOWN_PARAMETER = (400, "not-supported", "a search parameter that this type does not have")
    BAD_PARAMETER = (400, "value", "a parameter's value has the wrong form")
    NOT_SUPPORTED = (400, "not-supported", "not carried out by this server")
    UNAUTHENTICATED = (401, "login", "no valid token came with the request")
    FORBIDDEN = (403, "forbidden", "the token does not permit this")
    NOT_FOUND = (404, "not-found", "nothing is there, or nothing that you may see")
    UNKNOWN_TYPE = (404, "not-supported", "R4 has no resource type of this name")
    NO_ROUTE = (404, "not-found", "no interaction or operation has this address")
    METHOD_NOT_ALLOWED = (405, "not-supported", "the address does not know this method")
    NOT_ACCEPTABLE = (406, "not-supported", "none of the accepted formats can be written")
    CONFLICT = (409, "conflict", "another write came first")
    DUPLICATE = (409, "duplicate", "the same thing is there already")
    GONE = (410, "deleted", "the resource was deleted")
    PRECONDITION_FAILED = (412, "conflict", "the version or the number of matches is not what was asked for")
    MULTIPLE_MATCHES = (412, "multiple-matches", "the condition matches more than one resource")
    TOO_LARGE = (413, "too-long", "the body or a value is larger than the setting allows")
    UNSUPPORTED_MEDIA = (415, "not-supported", "the content type is not one that can be read")
    INVALID = (422, "invalid", "the resource breaks a rule of R4")
    NOT_PROCESSABLE = (422, "processing", "the request is well-formed but cannot be carried out")
    BUSINESS_RULE = (422, "business-rule", "a check of ours does not allow it")
    THROTTLED = (429, "throttled", "too many requests")
    INTERNAL = (500, "exception", "a bug of ours; the id finds it in the log")
    UNAVAILABLE = (503, "transient", "the database cannot be reached, or took too long")

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.value[0]

    @property
    def code(self) -> str:
        """Code of https://hl7.org/fhir/R4/valueset-issue-type.html."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: `expression` is a FHIRPath of the element, `key` the rule's own name (an invariant such as `obs-6`)."""

    code: str
    diagnostics: str
    expression: str = ""
    severity: str = "error"
    key: str = ""

    def as_json(self) -> dict[str, Any]:
        """As OperationOutcome.issue."""
        found: dict[str, Any] = {
            "severity": self.severity,
            "code": self.code,
            "diagnostics": self.diagnostics,
        }
        if key := self.key or (_INDEX.sub("", self.expression) if self.code in _OF_ELEMENTS else ""):
            found["details"] = {"coding": [{"code": key}]}
        if self.expression:
            found["expression"] = [self.expression]
        return found


_OF_ELEMENTS = frozenset(["structure", "required", "value", "code-invalid"])
"""What an element's own definition asks: the rule's key is then the path of the element."""
_INDEX = re.compile(r"\[\d+\]")


class FhirError(Exception):
    """A failure that belongs to the caller: what came, what was expected, where. Never holds a word of a record."""

    def __init__(
        self, problem: Problem, diagnostics: str, expression: str = "", issues: Sequence[Issue] = ()
    ) -> None:
        super().__init__(diagnostics)
        self.problem = problem
        self.issues = tuple(issues) or (Issue(problem.code, diagnostics, expression),)

    def within(self, place: str) -> FhirError:
        """The same failure, its expressions (or nothing) set behind `place`, such as `Bundle.entry[3].resource`."""
        moved = [_moved(issue, place) for issue in self.issues]
        return type(self)(self.problem, str(self), issues=moved)

    def as_outcome(self) -> dict[str, Any]:
        """The OperationOutcome that the caller gets."""
        return operation_outcome(self.issues)


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/operationoutcome.html"""
    return {"resourceType": "OperationOutcome", "issue": [issue.as_json() for issue in issues]}


def information(text: str) -> dict[str, Any]:
    """An OperationOutcome that says all went well."""
    return operation_outcome([Issue("informational", text, severity="information")])


def _moved(issue: Issue, place: str) -> Issue:
    tail = issue.expression.partition(".")[2] if issue.expression[:1].isupper() else issue.expression
    return Issue(
        issue.code, issue.diagnostics, f"{place}.{tail}" if tail else place, issue.severity, issue.key
    )

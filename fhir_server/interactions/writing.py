"""What create, update, patch and transaction have in common: checking a resource, and what is said of the write.

https://hl7.org/fhir/R4/http.html#create
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.parameters import keep_parameter
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Issue, Problem, operation_outcome
from fhir_server.r4.profiles.conform import claimed, judged
from fhir_server.r4.profiles.modifiers import unknown_modifiers
from fhir_server.r4.validate import validate
from fhir_server.store.retrying import RACES, retrying
from fhir_server.store.write import Write

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
Answer = TypeVar("Answer")
ATTEMPTS = 8


def checked(resource: dict[str, Any], resource_type: str) -> dict[str, Any]:
    """The resource, if it is of this type and keeps R4's rules. Raises INVALID with every issue that was found."""
    found = resource.get("resourceType")
    if found != resource_type:
        shown = found if isinstance(found, str) and found in TYPE_CODE else "something else"
        raise FhirError(
            Problem.BAD_REQUEST, f"Expected a {resource_type}; the body is {shown}.", "resourceType"
        )
    issues = validate(resource)
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise FhirError(Problem.INVALID, issues[0].diagnostics, issues=issues)
    return resource


def keep_profiles(context: Context, write: Write) -> None:
    """Judge what is written by the profiles that it claims, where they are known: a rejecting one raises INVALID, others are told.

    So it is with a modifierExtension that is not known, by the level of its url."""
    resource, library, levels = write.resource, context.service.library, context.service.levels
    told = keep_parameter(context, write)
    if resource is not None:
        told += _refused(unknown_modifiers(resource, library, levels))
    write.issues = tuple(told)
    if resource is None or "meta" not in resource or "profile" not in resource["meta"]:
        return
    for url in claimed(resource):
        level = levels.of(url)
        if level != "ignore" and library.tree(url) is not None:
            issues = judged(resource, url, library, context.service.sets)
            if level == "reject":
                _refused(issues)
            told += [replace(i, severity="warning") if i.severity == "error" else i for i in issues]
    write.issues = tuple(told)


def _refused(issues: list[Issue]) -> list[Issue]:
    """The issues, where none is an error. Raises INVALID."""
    if any(issue.severity == "error" for issue in issues):
        raise FhirError(Problem.INVALID, issues[0].diagnostics, issues=issues)
    return issues


def check_id(logical_id: str) -> str:
    """A logical id of R4's form. https://hl7.org/fhir/R4/datatypes.html#id"""
    if not ID.match(logical_id):
        raise FhirError(
            Problem.BAD_REQUEST, "A logical id has 1 to 64 letters, digits, hyphens and dots.", "id"
        )
    return logical_id


def result_of(write: Write, status: int | None = None) -> Result:
    """201 for a new resource, 200 for a new version (or for one that changed nothing)."""
    code = status or (201 if write.created else 200)
    location = f"{write.type}/{write.id}/_history/{write.version}"
    return Result(
        *(code, write.body, write.type, write.id, write.version, write.last_updated, location),
        outcome=operation_outcome(write.issues) if write.issues else None,
        is_write=True,
        changed=write.changed,
    )


def again(context: Context, attempt: Callable[[], Answer]) -> Answer:
    """Repeat what lost a race; inside somebody else's transaction that is theirs to do. Raises CONFLICT where it is lost each time."""
    if context.connection is not None:
        return attempt()
    try:
        return retrying(attempt, ATTEMPTS)
    except RACES:
        raise FhirError(Problem.CONFLICT, "Others write the same at the same time; try again.") from None

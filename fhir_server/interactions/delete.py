"""delete: the resource is gone from reads and searches, its history stays.

Deleting what is not there, or twice, is no failure. https://hl7.org/fhir/R4/http.html#delete and #3.1.0.7.1
"""

from __future__ import annotations

from fhir_server.interactions import conditional
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.writing import again
from fhir_server.r4.outcome import FhirError, Problem, information
from fhir_server.store.write import Write

NOT_THERE = "If-Match: there is no such version."
"""For what is not there, and for what may not be read."""
MOST_AT_ONCE = 10_000
"""Resources that one conditional delete may remove; more have to be narrowed."""


def delete(context: Context, resource_type: str, logical_id: str, if_match: int | None = None) -> Result:
    """200 with an outcome, whether there was something to delete or not."""
    context.access.require("delete", resource_type)
    return again(context, lambda: _delete(context, resource_type, [logical_id], if_match))


def conditional_delete(context: Context, resource_type: str, criteria: str) -> Result:
    """Delete the match; all matches where the setting says multiple, else MULTIPLE_MATCHES for more than one."""
    context.access.require("delete", resource_type)

    def attempt() -> Result:
        with context.transaction() as inside:
            return _delete(inside, resource_type, matching(inside, resource_type, criteria), None)

    return again(context, attempt)


def matching(context: Context, resource_type: str, criteria: str) -> list[str]:
    """The ids that a conditional delete is about. Needs the running transaction."""
    is_multiple = context.service.settings.conditional_delete == "multiple"
    return conditional.matches(context, resource_type, criteria, at_most=MOST_AT_ONCE if is_multiple else 1)


def _delete(context: Context, resource_type: str, ids: list[str], if_match: int | None) -> Result:
    with context.transaction() as inside:
        assert inside.connection is not None
        reached = [logical_id for logical_id in ids if inside.reaches(resource_type, logical_id)]
        if if_match is not None and len(reached) < len(ids):
            raise FhirError(Problem.PRECONDITION_FAILED, NOT_THERE)
        writes = [Write(resource_type, logical_id, None, if_match=if_match) for logical_id in reached]
        inside.apply(inside.connection, writes)
    gone = sum(write.changed for write in writes)
    said = information(f"{gone} deleted." if gone else "There was nothing to delete.")
    if len(writes) == 1 and writes[0].version:
        return Result(
            200, None, resource_type, writes[0].id, writes[0].version, writes[0].last_updated, outcome=said
        )
    return Result(200, None, resource_type, outcome=said)

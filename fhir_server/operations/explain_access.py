"""$explain-access: why somebody may see a resource, or why not: the decision, and every rule with what it rests on.

Others are asked about by the patient whose record it is, and by the system. What the asker does not reach is explained like what is
not there: by the asker's own rules, and not a word more. https://hl7.org/fhir/R4/security.html#authorization
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from fhir_server.access.actor import Actor, Role, usual_scopes
from fhir_server.access.consent import Mode
from fhir_server.access.decide import Access, decide
from fhir_server.access.purpose import Purpose, usual_purpose
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import Operation, OperationRequest, Parameter, parameters_result
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]
ROLE_OF = {
    "Practitioner": Role.CLINICIAN,
    "PractitionerRole": Role.CLINICIAN,
    "Patient": Role.PATIENT,
    "Organization": Role.SYSTEM,
}
NOT_REACHED = "The resource is not there, or these rules do not reach it."


def explain_access(context: Context, request: OperationRequest) -> Result:
    """`actor` and `purpose`: of somebody else. FORBIDDEN where the asker may not know that."""
    asked = _asked(context, request)
    with context.connect() as connection:
        is_own = asked.actor == context.access.actor
        reached = _holds(connection, context.access, request)
        if not is_own and not _may_ask(context, reached):
            raise FhirError(
                Problem.FORBIDDEN, "Of others ask the patient, for the own record, and the system."
            )
        if not reached and context.access.actor.role is not Role.SYSTEM:
            return _told(False, [*asked.reasons, NOT_REACHED])
        rules = _rules(connection, asked, request)
        is_permitted = _holds(connection, asked, request) and asked.permits("read", request.type)
    return _told(is_permitted, [*asked.reasons, *(rules or [NOT_REACHED])])


def _asked(context: Context, request: OperationRequest) -> Access:
    actor = _actor(context, request)
    text = request.value("purpose")
    if text is not None and text not in set(Purpose):
        raise FhirError(Problem.BAD_PARAMETER, f"purpose: expected one of {', '.join(Purpose)}.")
    if text is None and actor == context.access.actor:
        return context.access
    purpose = (
        Purpose(text) if text else Purpose.TREAT if actor.role is Role.SYSTEM else usual_purpose(actor.role)
    )
    mode: Mode = "opt-out" if context.service.settings.consent == "opt-out" else "opt-in"
    return decide(actor, purpose, context.access.compile_query, mode)


def _actor(context: Context, request: OperationRequest) -> Actor:
    """Who is asked about, with the scopes that the role usually has."""
    given = request.value("actor")
    reference = given.get("reference", "") if isinstance(given, dict) else given
    if reference is None or reference in (context.access.actor.fhir_user, context.access.actor.subject):
        return context.access.actor
    kind, _, logical_id = str(reference).partition("/")
    if kind not in ROLE_OF or not logical_id:
        raise FhirError(Problem.BAD_PARAMETER, f"actor: expected a reference to one of {', '.join(ROLE_OF)}.")
    role = ROLE_OF[kind]
    patient = logical_id if role is Role.PATIENT else None
    return Actor(role, str(reference), str(reference), patient, usual_scopes(role))


def _may_ask(context: Context, reached: bool) -> bool:
    role = context.access.actor.role
    return role is Role.SYSTEM or (role is Role.PATIENT and reached)


def _holds(connection: Connection[Any], access: Access, request: OperationRequest) -> bool:
    allowed = access.on("r")
    query = (
        f"SELECT FROM resource r WHERE r.type = %s AND r.id = %s AND r.body IS NOT NULL AND ({allowed.text})"
    )
    return connection.execute(query, (TYPE_CODE[request.type], request.id, *allowed.values)).rowcount > 0


def _rules(connection: Connection[Any], access: Access, request: OperationRequest) -> list[str]:
    """Each rule's own answer about this resource, and the provisions that speak of it."""
    place = (TYPE_CODE[request.type], request.id)
    found = []
    for name, rule in access.rules("r"):
        query = f"SELECT ({rule.text}) FROM resource r WHERE r.type = %s AND r.id = %s AND r.body IS NOT NULL"
        row = connection.execute(query, (*rule.values, *place)).fetchone()
        if row is None:
            return []
        found.append(f"{name}: {'holds' if row[0] else 'does not hold'}")
    if (speaking := access.speaking("r")) is not None:
        rows = connection.execute(
            f"{speaking.text} AND r.type = %s AND r.id = %s", (*speaking.values, *place)
        ).fetchall()
        found += [
            f"{reference}, provision {node}: {'permits' if permits else 'denies'}"
            for reference, node, permits in rows
        ]
    return found


def _told(is_permitted: bool, reasons: list[str]) -> Result:
    parameters: list[Json] = [{"name": "decision", "valueCode": "permit" if is_permitted else "deny"}]
    return parameters_result(
        [*parameters, *({"name": "reason", "valueString": reason} for reason in reasons)]
    )


OPERATION = Operation(
    "explain-access",
    "Why somebody may see a resource, or why not",
    explain_access,
    instance=True,
    parameters=(
        Parameter(
            "actor", "in", 0, "1", "Reference", "somebody else: a Practitioner, Patient or Organization"
        ),
        Parameter(
            "purpose", "in", 0, "1", "code", "purpose of use; the usual one of the role where none is named"
        ),
        Parameter("decision", "out", 1, "1", "code", "permit or deny"),
        Parameter(
            "reason", "out", 1, "*", "string", "a rule, with the Consent or compartment that it rests on"
        ),
    ),
)

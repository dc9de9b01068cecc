"""AuditEvents: who did what, for whom and why, with which outcome. Pure builders; they never hold content of a record or a question.

Successful REST interactions follow IHE's Basic Audit Log Patterns; a patient's access log is made of events that name one patient.
https://hl7.org/fhir/R4/auditevent.html and https://profiles.ihe.net/ITI/BALP/
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fhir_server.access.actor import Actor
from fhir_server.access.purpose import Purpose
from fhir_server.access.reference import person

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CUSTODIAN = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
BALP_TYPE = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

SOURCE, DESTINATION = (DICOM, "110153", "Source Role ID"), (DICOM, "110152", "Destination Role ID")
APPLICATION = (DICOM, "110150", "Application")
KEEPER = (CUSTODIAN, "custodian", "Custodian")
RECIPIENT, AUTHOR = (
    (PARTICIPATION, "IRCP", "information recipient"),
    (PARTICIPATION, "AUT", "author (originator)"),
)

PERSON, OBJECT, OTHER = ("1", "Person"), ("2", "System Object"), ("4", "Other")
AS_PATIENT, AS_RESOURCE, AS_SECURITY = ("1", "Patient"), ("4", "Domain Resource"), ("13", "Security Resource")
AS_JOB, AS_QUERY = ("20", "Job"), ("24", "Query")

Code = tuple[str, str, str]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pattern:
    """How an interaction is told: action, BALP profile, and the roles of the client, the server and the user."""

    action: str
    profile: str
    client: Code = SOURCE
    server: Code = DESTINATION
    user: Code = AUTHOR


PATTERNS: dict[str, Pattern] = {
    "read": Pattern("R", "Read", DESTINATION, SOURCE, RECIPIENT),
    "vread": Pattern("R", "Read", DESTINATION, SOURCE, RECIPIENT),
    "history": Pattern("R", "", DESTINATION, SOURCE, RECIPIENT),
    "search": Pattern("E", "Query", SOURCE, DESTINATION, RECIPIENT),
    "create": Pattern("C", "Create"),
    "update": Pattern("U", "Update"),
    "patch": Pattern("U", "Update"),
    "delete": Pattern("D", "Delete", APPLICATION, KEEPER),
    "operation": Pattern("E", "", SOURCE, DESTINATION, RECIPIENT),
    "transaction": Pattern("E", "", SOURCE, DESTINATION, AUTHOR),
    "batch": Pattern("E", "", SOURCE, DESTINATION, AUTHOR),
}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What each event of one request has in common. `status` is the HTTP status that the client got; `consent` what decided."""

    actor: Actor
    purpose: Purpose
    recorded: datetime
    address: str = ""
    server: str = "chartline"
    request_id: str = ""
    status: int = 200
    reason: str = ""
    consent: str = ""


def read(on: Occasion, reference: str, patient: str = "", interaction: str = "read") -> Json:
    """A read, vread or history of one resource; `reference` versioned where the version is known."""
    return _event(on, interaction, patient, [_what(reference)])


def searched(on: Occasion, resource_type: str, query: str, patient: str = "") -> Json:
    """A search as it was sent (`query` without the address); one event for each patient in the answer, or one without."""
    sent = b64encode(f"{resource_type}?{query}".encode()).decode()
    return _event(on, "search", patient, [{**_entity(OBJECT, AS_QUERY), "query": sent}])


def wrote(on: Occasion, interaction: str, reference: str, patient: str = "") -> Json:
    """A create, update, patch or delete."""
    return _event(on, interaction, patient, [_what(reference)])


def told(
    on: Occasion, interaction: str, what: str, query: str, references: Iterable[str], patient: str = ""
) -> Json:
    """Any deed of the log: what was asked for, the query where there was one, and the resources that were shown or changed.

    `what` is the address. Where no resource was reached, as when the request was refused, it stands there as text: a reference would
    say that the resource is there.
    """
    named = list(references)
    asked: list[Json] = []
    if interaction in ("search", "history") or query:
        sent = b64encode(f"{what}?{query}".encode()).decode()
        asked.append({**_entity(OBJECT, AS_QUERY), "query": sent})
    elif interaction == "operation":
        asked.append(_job(what.rpartition("$")[2], {}))
    elif not named and what:
        asked.append({"what": {"identifier": {"value": what}}, **_entity(OBJECT, AS_RESOURCE)})
    return _event(on, interaction, patient, [*(_what(reference) for reference in named), *asked])


def signed_in(on: Occasion, succeeded: bool, *, out: bool = False) -> Json:
    """A sign-in, or with `out` a sign-out; the failed ones too."""
    subtype = (DICOM, "110123", "Logout") if out else (DICOM, "110122", "Login")
    told = replace(on, status=200 if succeeded else 401)
    return _base(told, (DICOM, "110114", "User Authentication"), subtype, "E", PATTERNS["operation"], [])


def assisted(
    on: Occasion,
    operation: str,
    reference: str,
    patient: str,
    *,
    device: str = "",
    details: Mapping[str, object] | None = None,
) -> Json:
    """`$ask`, `$retrieve`, `$explain`: `details` holds status, manifest, model, version, tokens and counts, never a text.

    `device` is the Device that wrote the answer on behalf of the actor.
    """
    found = _event(on, "operation", patient, [_what(reference), _job(operation, details or {})])
    return _with_device(found, device)


def drafted(on: Occasion, operation: str, draft: str, task: str, patient: str, *, device: str = "") -> Json:
    """`$draft-refill`, `$draft-appointment`; `draft` is empty where a check blocked it."""
    made = [_what(reference) for reference in (draft, task) if reference]
    return _with_device(_event(on, "operation", patient, [*made, _job(operation, {})]), device)


def signed_off(on: Occasion, decision: str, draft: str, task: str, result: str, patient: str) -> Json:
    """`$sign-off` by a clinician; `decision` is approve or reject, `result` what came of it."""
    touched = [_what(reference) for reference in (draft, task, result) if reference]
    return _event(on, "operation", patient, [*touched, _job("sign-off", {"decision": decision})])


def outcome(status: int) -> str:
    """Code of AuditEvent.outcome for an HTTP status. https://hl7.org/fhir/R4/valueset-audit-event-outcome.html"""
    return "0" if status < 400 else "4" if status < 500 else "8"


def _event(on: Occasion, interaction: str, patient: str, entities: Iterable[Json]) -> Json:
    pattern = PATTERNS[interaction]
    named = [_what(f"Patient/{patient}", PERSON, AS_PATIENT)] if patient else []
    parts = [*named, *entities, *_consent(on), *_request(on)]
    rest = (EVENT_TYPE, "rest", "RESTful Operation")
    found = _base(on, rest, (INTERACTION, interaction, interaction), pattern.action, pattern, parts)
    if pattern.profile and outcome(on.status) == "0":
        found["meta"] = {"profile": [f"{BALP}{'Patient' if patient else ''}{pattern.profile}"]}
    return found


def _base(
    on: Occasion, kind: Code, subtype: Code, action: str, pattern: Pattern, entities: list[Json]
) -> Json:
    found: Json = {
        "resourceType": "AuditEvent",
        "type": _coding(kind),
        "subtype": [_coding(subtype)],
        "action": action,
    }
    found |= {"recorded": on.recorded.isoformat(timespec="milliseconds"), "outcome": outcome(on.status)}
    if on.reason:
        found["outcomeDesc"] = on.reason
    found["purposeOfEvent"] = [{"coding": [on.purpose.as_coding()]}]
    found["agent"] = [_user(on, pattern), _client(on, pattern), _server(on, pattern)]
    found["source"] = {"observer": {"identifier": {"value": on.server}, "display": on.server}}
    if entities:
        found["entity"] = entities
    return found


def _user(on: Occasion, pattern: Pattern) -> Json:
    actor = on.actor
    found: Json = {"type": {"coding": [_coding(pattern.user)]}, "role": [{"text": actor.role.value}]}
    return found | {
        "who": person(actor.fhir_user, actor.subject),
        "requestor": True,
        "purposeOfUse": [{"coding": [on.purpose.as_coding()]}],
    }


def _client(on: Occasion, pattern: Pattern) -> Json:
    who = {"identifier": {"value": on.actor.client or "web"}}
    found: Json = {"type": {"coding": [_coding(pattern.client)]}, "who": who, "requestor": False}
    return found | ({"network": {"address": on.address, "type": "2"}} if on.address else {})


def _server(on: Occasion, pattern: Pattern) -> Json:
    who = {"identifier": {"value": on.server}}
    network = {"address": on.server, "type": "5" if "://" in on.server else "1"}
    return {"type": {"coding": [_coding(pattern.server)]}, "who": who, "requestor": False, "network": network}


def _with_device(event: Json, device: str) -> Json:
    if not device:
        return event
    agent = {"type": {"coding": [_coding(APPLICATION)]}, "who": {"reference": device}, "requestor": False}
    return {**event, "agent": [*event["agent"], agent]}


def _consent(on: Occasion) -> list[Json]:
    return [_what(on.consent, OBJECT, AS_SECURITY)] if on.consent else []


def _request(on: Occasion) -> list[Json]:
    if not on.request_id:
        return []
    return [
        {
            "what": {"identifier": {"value": on.request_id}},
            "type": {"system": BALP_TYPE, "code": "XrequestId"},
        }
    ]


def _job(operation: str, details: Mapping[str, object]) -> Json:
    told = [{"type": "operation", "valueString": operation}]
    told += [{"type": name, "valueString": str(value)} for name, value in details.items()]
    return {**_entity(OTHER, AS_JOB), "detail": told}


def _what(reference: str, kind: tuple[str, str] = OBJECT, role: tuple[str, str] = AS_RESOURCE) -> Json:
    return {"what": {"reference": reference}, **_entity(kind, role)}


def _entity(kind: tuple[str, str], role: tuple[str, str]) -> Json:
    return {"type": _coding((ENTITY_TYPE, *kind)), "role": _coding((ENTITY_ROLE, *role))}


def _coding(code: Code) -> dict[str, str]:
    return {"system": code[0], "code": code[1], "display": code[2]}

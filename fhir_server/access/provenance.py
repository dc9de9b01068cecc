"""Provenances: where a resource came from, which Device wrote a draft, which clinician verified it. Pure builders.

https://hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from fhir_server.access.actor import Actor
from fhir_server.access.purpose import Purpose
from fhir_server.access.reference import person

PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
URI = "urn:ietf:rfc:3986"

Json = dict[str, Any]

RECEIVED: Json = {"system": LIFECYCLE, "code": "receive", "display": "Receive/Retain Record Lifecycle Event"}
CREATED: Json = {"system": OPERATION, "code": "CREATE", "display": "create"}
VERIFIED: Json = {"system": LIFECYCLE, "code": "verify", "display": "Verify Record Lifecycle Event"}


def device(writer: str, version: str) -> Json:
    """The Device that writes answers and drafts; one for each writer and version, with an id that follows from both."""
    digest = sha256(f"{writer}\n{version}".encode()).hexdigest()[:24]
    return {
        "resourceType": "Device",
        "id": f"writer-{digest}",
        "status": "active",
        "deviceName": [{"name": writer, "type": "model-name"}],
        "version": [{"value": version}],
    }


def ingested(
    targets: Sequence[str],
    recorded: datetime,
    source: str,
    actor: Actor,
    *,
    document: str = "",
    maps: Sequence[str] = (),
) -> Json:
    """What came in from outside. `source` names the file or message; `document` refers to its copy, where one was kept.

    `maps`: canonicals of the ConceptMaps by which codes were added."""
    what = {"reference": document} if document else {"identifier": {"value": source}}
    agents = [_agent("assembler", person(actor.fhir_user, actor.subject))]
    used = [
        {
            "role": "derivation",
            "what": {"type": "ConceptMap", "identifier": {"system": URI, "value": canonical}},
        }
        for canonical in maps
    ]
    return _provenance(targets, recorded, RECEIVED, agents, [{"role": "source", "what": what}, *used])


def drafted(
    targets: Sequence[str], recorded: datetime, written_by: str, actor: Actor, sources: Sequence[str] = ()
) -> Json:
    """A draft: author is the Device `written_by`, on behalf of the actor; `sources` are the versions that it was made from."""
    author = _agent("author", {"reference": written_by}) | {
        "onBehalfOf": person(actor.fhir_user, actor.subject)
    }
    used = [{"role": "source", "what": {"reference": source}} for source in sources]
    return _provenance(targets, recorded, CREATED, [author], used)


def verified(
    targets: Sequence[str],
    recorded: datetime,
    clinician: Actor,
    draft: str,
    written_by: str = "",
    purpose: Purpose = Purpose.TREAT,
) -> Json:
    """A sign-off: verifier is the clinician, the draft (versioned) is what was revised, its author stays named."""
    agents = [_agent("verifier", person(clinician.fhir_user, clinician.subject))]
    if written_by:
        agents.append(_agent("author", {"reference": written_by}))
    found = _provenance(
        targets, recorded, VERIFIED, agents, [{"role": "revision", "what": {"reference": draft}}]
    )
    return found | {"reason": [{"coding": [purpose.as_coding()]}]}


def _provenance(
    targets: Sequence[str], recorded: datetime, activity: Json, agents: list[Json], entities: list[Json]
) -> Json:
    found: Json = {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": recorded.isoformat(timespec="milliseconds"),
        "activity": {"coding": [activity]},
        "agent": agents,
    }
    return found | ({"entity": entities} if entities else {})


def _agent(kind: str, who: Json) -> Json:
    return {
        "type": {"coding": [{"system": PARTICIPANT, "code": kind, "display": kind.capitalize()}]},
        "who": who,
    }

"""The draft lane: what every draft comes with: the label AIAST, the Device that wrote it, a Task for a person, a Provenance.

https://hl7.org/fhir/R4/task.html and https://hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ai_layer import record
from ai_layer.drafts import chart
from ai_layer.drafts.checks import Check, blocking, reference
from ai_layer.drafts.checks.reading import elements, part, target
from ai_layer.recorded import as_system, occasion
from fhir_server.access import audit, provenance
from fhir_server.interactions.about import VERSION
from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.interactions.update import update
from fhir_server.service import AIAST
from fhir_server.store import read as store
from fhir_server.store.write import instant

Json = dict[str, Any]
LABEL = {"system": AIAST[0], "code": AIAST[1], "display": "Artificial Intelligence asserted"}
CODES = "https://chartline.example/task-code"
CHECK, ASKED, CITATION = f"{CODES}/check", f"{CODES}/asked", f"{CODES}/citation"
WRITER = "Chartline drafts"
AUTHORS = ("Organization", "Patient", "Practitioner", "RelatedPerson")
IN_REVIEW = "Told by $review, to each as far as Consents allow."
TITLES = {
    "refill": "A refill was asked for",
    "appointment": "A visit was asked for",
    "cancellation": "The cancellation of a visit was asked for",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked the lane for: `code` is the Task's, `words` the patient's own, `basis` what it starts from.

    `details` are the other parameters of the call; `priority` only where an urgency was stated; `focus` where it is about something
    that is there already.
    """

    operation: str
    code: str
    patient_id: str
    words: str = ""
    basis: Json | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    priority: str = ""
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """References to what was written; `draft` is empty where a check blocked it."""

    draft: str
    task: str


def keep(
    context: Context, asked: Asked, draft: Json | None, checks: Sequence[Check], sources: Iterable[Json]
) -> Kept:
    """Write the draft (if there is one), its Task, Provenance and AuditEvent, in the running transaction."""
    labels = labels_of(sources, checks)
    if draft is None and (waiting := _asked_before(context, asked)):
        return _recorded(context, asked, Kept("", _reminded(context, waiting, asked)))
    system, focus, made = as_system(context), asked.focus, None
    if draft is not None:
        made = create(system, draft["resourceType"], labelled(draft))
        focus = f"{made.type}/{made.id}"
    asks = create(system, "Task", with_labels(task(context, asked, focus, checks), labels))
    if made is not None:
        targets = [f"{focus}/_history/{made.version}", f"Task/{asks.id}/_history/{asks.version}"]
        used = list(dict.fromkeys(citation for check in checks for citation in check.citations))
        writer = f"Device/{device()['id']}"
        create(
            system,
            "Provenance",
            provenance.drafted(targets, context.now(), writer, context.access.actor, used),
        )
    return _recorded(context, asked, Kept(focus, f"Task/{asks.id}"))


def _recorded(context: Context, asked: Asked, kept: Kept) -> Kept:
    writer = f"Device/{device()['id']}"
    event = audit.drafted(
        occasion(context), asked.operation, kept.draft, kept.task, asked.patient_id, device=writer
    )
    context.record_event(event)
    return kept


def device() -> Json:
    """The Device that writes drafts: one for each version of this software."""
    return provenance.device(WRITER, VERSION)


def make_device(context: Context) -> None:
    """See that the Device is there, in a transaction of its own: drafts made at the same time need not wait for each other."""
    apart = replace(as_system(context), connection=None)
    resource = device()
    with apart.connect() as connection:
        found = store.current(connection, apart.access, "Device", resource["id"])
    if found is None or found.body is None:
        update(apart, "Device", resource["id"], resource)


def labelled(resource: Json) -> Json:
    """The resource, marked as written by an AI."""
    return with_labels(resource, [LABEL])


def with_labels(resource: Json, labels: Sequence[Json]) -> Json:
    """The resource with these security labels besides its own."""
    if not labels:
        return resource
    meta = part(resource, "meta")
    own = list(elements(meta, "security"))
    added = [label for label in labels if key(label) not in [key(each) for each in own]]
    return resource | {"meta": meta | {"security": [*own, *added]}}


def labels_of(sources: Iterable[Json], checks: Sequence[Check]) -> list[Json]:
    """Security labels of what the checks cite: what is made from restricted parts is as restricted."""
    used = {citation for check in checks for citation in check.citations}
    labels = (
        label
        for each in sources
        if reference(each) in used
        for label in elements(part(each, "meta"), "security")
    )
    return list({key(label): label for label in labels}.values())


def key(label: Json) -> tuple[Any, Any]:
    """What makes two labels the same."""
    return label.get("system"), label.get("code")


def task(context: Context, asked: Asked, focus: str, checks: Sequence[Check]) -> Json:
    """A Task that asks a clinician: to sign off the draft in focus, or (without one) to decide what a check blocked."""
    found: Json = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal" if focus else "order",
        "code": {"coding": [{"system": CODES, "code": asked.code}]},
        "description": description(asked, checks),
        "for": {"reference": f"Patient/{asked.patient_id}"},
        "authoredOn": instant(context.now()),
    }
    if asked.priority:
        found["priority"] = asked.priority
    if focus:
        found["focus"] = {"reference": focus}
    if asked.basis:
        found["basedOn"] = [{"reference": reference(asked.basis)}]
    if context.access.actor.fhir_user:
        found["requester"] = {"reference": context.access.actor.fhir_user}
    if asked.words:
        found["note"] = [annotation(context, asked.words)]
    words = discreet(context, f"Patient/{asked.patient_id}", checks)
    if given := [*map(check_input, words), *_details(asked)]:
        found["input"] = given
    return found


def description(asked: Asked, checks: Sequence[Check]) -> str:
    """What has to be done, without a word of the record: which checks block, not what they found."""
    names = [check.name for check in blocking(checks)]
    waits = "it waits for sign-off" if asked.focus else "a draft waits for sign-off"
    rest = f"no draft was made, blocked by: {', '.join(names)}" if names else waits
    return f"{TITLES[asked.code]}; {rest}."


def annotation(context: Context, text: str) -> Json:
    """An Annotation by the actor. https://hl7.org/fhir/R4/datatypes.html#Annotation"""
    found: Json = {"time": instant(context.now()), "text": text}
    who = context.access.actor.fhir_user
    return {"authorReference": {"reference": who}, **found} if who.partition("/")[0] in AUTHORS else found


def discreet(context: Context, patient: str, checks: Sequence[Check]) -> Sequence[Check]:
    """The checks as a Task may hold them: without a word where a Consent of the patient denies something to somebody.

    A Task is read as a whole. $review tells each clinician what that clinician may see.
    """
    assert context.connection is not None
    consents = record.consents(context.connection, patient.partition("/")[2])
    if any(each.get("status") == "active" and _denies(part(each, "provision")) for each in consents):
        return [Check(check.name, check.result, IN_REVIEW) for check in checks]
    return checks


def _denies(provision: Json) -> bool:
    return provision.get("type") == "deny" or any(map(_denies, elements(provision, "provision")))


def check_input(check: Check) -> Json:
    """A check as Task.input: the name is its type's code, the result its text; what it cites stands in extensions."""
    found: Json = {
        "type": {"coding": [{"system": CHECK, "code": check.name}], "text": str(check.result)},
        "valueString": check.text,
    }
    cited = [{"url": CITATION, "valueReference": {"reference": one}} for one in check.citations]
    return {"extension": cited, **found} if cited else found


def _details(asked: Asked) -> list[Json]:
    return [
        {"type": {"coding": [{"system": ASKED, "code": name}], "text": "asked"}, "valueString": value}
        for name, value in asked.details.items()
        if value
    ]


def code_of(asking: Json) -> str:
    """What a Task of the lane asks for: refill, appointment or cancellation; nothing for Tasks of others."""
    codings = elements(part(asking, "code"), "coding")
    return next((str(each.get("code")) for each in codings if each.get("system") == CODES), "")


def details_of(asking: Json) -> dict[str, str]:
    """The parameters of the call that led to a Task."""
    found = {}
    for each in elements(asking, "input"):
        for coding in elements(part(each, "type"), "coding"):
            if coding.get("system") == ASKED:
                found[str(coding.get("code"))] = str(each.get("valueString", ""))
    return found


def _asked_before(context: Context, asked: Asked) -> Json | None:
    """The open Task without a draft of its own that asks for the same already."""
    wanted = {name: value for name, value in asked.details.items() if value}
    basis = {f"{asked.basis['resourceType']}/{asked.basis['id']}"} if asked.basis else set()
    open_tasks = chart.found(
        as_system(context),
        "Task",
        ("patient", f"Patient/{asked.patient_id}"),
        ("status", "requested"),
        ("code", f"{CODES}|{asked.code}"),
    )
    for each in open_tasks:
        same = {target(one) for one in elements(each, "basedOn")} == basis and details_of(each) == wanted
        if same and target(each.get("focus")) == asked.focus:
            return each
    return None


def _reminded(context: Context, waiting: Json, asked: Asked) -> str:
    """The open Task, with what the patient says this time."""
    if asked.words and asked.words not in [each.get("text") for each in elements(waiting, "note")]:
        note = [*waiting.get("note", ()), annotation(context, asked.words)]
        update(as_system(context), "Task", waiting["id"], waiting | {"note": note})
    return f"Task/{waiting['id']}"

"""The FHIR operations of the draft lane, with their OperationDefinitions. SURFACE of the product: names and shapes are a promise."""

from __future__ import annotations

from ai_layer.drafts.appointment import draft_appointment
from ai_layer.drafts.calendar import calendar
from ai_layer.drafts.cancellation import draft_cancellation
from ai_layer.drafts.refill import draft_refill
from ai_layer.drafts.response import respond
from ai_layer.drafts.review import review
from ai_layer.drafts.signoff import sign_off
from fhir_server.operations.registry import Operation, Parameter

_CHECK = Parameter(
    "check",
    "out",
    0,
    "*",
    "",
    "a check and what it rests on",
    (
        Parameter("name", "out", 1, "1", "code", "which check"),
        Parameter("result", "out", 1, "1", "code", "pass, warn, block or unknown"),
        Parameter("text", "out", 1, "1", "string", "in words"),
        Parameter("citation", "out", 0, "*", "Reference", "versions of resources"),
    ),
)
_ALTERNATIVE = Parameter(
    "alternative",
    "out",
    0,
    "*",
    "",
    "another free Slot that would do",
    (
        Parameter("slot", "out", 1, "1", "Reference", "the Slot"),
        Parameter("start", "out", 1, "1", "instant", "when it begins"),
        Parameter("end", "out", 1, "1", "instant", "when it ends"),
    ),
)
_CHANGE = Parameter(
    "change",
    "out",
    0,
    "*",
    "",
    "an element that differs between the order and the draft",
    (
        Parameter("path", "out", 1, "1", "string", "dosageInstruction[0].text"),
        Parameter("before", "out", 0, "1", "string", "the order's value; JSON where it is no string"),
        Parameter("after", "out", 0, "1", "string", "the draft's"),
    ),
)
_NOTE = Parameter(
    "note",
    "out",
    0,
    "*",
    "",
    "what the patient wrote, and others after that",
    (
        Parameter("text", "out", 1, "1", "string", "the words"),
        Parameter("author", "out", 0, "1", "Reference", "whose"),
    ),
)
_TASK = Parameter("task", "out", 1, "1", "Reference", "what a clinician is asked to do")
_DRAFT = Parameter("draft", "out", 0, "1", "Reference", "the draft; none where a check blocks")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "draft-refill",
        "Prepare the renewal of an order",
        draft_refill,
        ("MedicationRequest",),
        instance=True,
        affects_state=True,
        parameters=(Parameter("note", "in", 0, "1", "string", "the patient's words"), _DRAFT, _TASK, _CHECK),
    ),
    Operation(
        "draft-appointment",
        "Prepare a visit",
        draft_appointment,
        ("Patient",),
        instance=True,
        affects_state=True,
        parameters=(
            Parameter("reason", "in", 0, "1", "string", "the patient's words"),
            Parameter("serviceType", "in", 0, "1", "code", "kind of visit"),
            Parameter("urgency", "in", 0, "1", "code", "routine, urgent, asap or stat"),
            Parameter(
                "earliest", "in", 0, "1", "dateTime", "not before this moment, or this day where the visit is"
            ),
            Parameter(
                "latest", "in", 0, "1", "dateTime", "not after this moment, or this day where the visit is"
            ),
            Parameter("practitioner", "in", 0, "1", "Reference", "with whom"),
            Parameter("specialty", "in", 0, "1", "code", "of whom"),
            Parameter("location", "in", 0, "1", "Reference", "where"),
            Parameter(
                "slot", "in", 0, "1", "Reference", "this Slot and no other: an alternative that was chosen"
            ),
            Parameter("replaces", "in", 0, "1", "Reference", "the booked visit that is to be moved"),
            *(_DRAFT, _TASK, _CHECK, _ALTERNATIVE),
        ),
    ),
    Operation(
        "draft-cancellation",
        "Ask for a booked visit to be cancelled",
        draft_cancellation,
        ("Appointment",),
        instance=True,
        affects_state=True,
        parameters=(Parameter("reason", "in", 0, "1", "string", "the patient's words"), _TASK),
    ),
    Operation(
        "calendar",
        "A visit as a file for a calendar",
        calendar,
        ("Appointment",),
        instance=True,
        parameters=(Parameter("return", "out", 1, "1", "Binary", "text/calendar"),),
    ),
    Operation(
        "respond",
        "Answer a visit as one of its participants",
        respond,
        ("Appointment",),
        instance=True,
        affects_state=True,
        parameters=(
            Parameter("response", "in", 1, "1", "code", "accepted, declined or tentative"),
            Parameter("comment", "in", 0, "1", "string", "the participant's words"),
            Parameter("result", "out", 1, "1", "Reference", "the AppointmentResponse"),
        ),
    ),
    Operation(
        "review",
        "Look at a draft before the sign-off",
        review,
        ("Task",),
        instance=True,
        parameters=(
            Parameter("draft", "out", 0, "1", "Reference", "the draft, in this version"),
            Parameter("order", "out", 0, "1", "Reference", "the order that it renews, in this version"),
            *(_NOTE, _CHANGE, _CHECK),
        ),
    ),
    Operation(
        "sign-off",
        "Approve or reject a draft",
        sign_off,
        ("Task",),
        instance=True,
        affects_state=True,
        parameters=(
            Parameter("decision", "in", 1, "1", "code", "approve or reject"),
            Parameter("note", "in", 0, "1", "string", "why"),
            Parameter("draft", "in", 0, "1", "Reference", "the version of the draft that was looked at"),
            Parameter("result", "out", 1, "1", "Reference", "what came of it"),
            *(_TASK, _CHECK),
        ),
    ),
)

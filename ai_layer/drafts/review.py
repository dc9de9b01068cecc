"""Task/$review: what a clinician has to see before the sign-off: the draft, what it changes against the order, the patient's words, the checks.

The checks are run now, on the whole record, and told as far as this clinician may see what they rest on. Nothing is written but the AuditEvent.
https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ai_layer.drafts import chart
from ai_layer.drafts.checks import REFILL_CHECKS, VISIT_CHECKS, Check, reference, refill_checks, visit_checks
from ai_layer.drafts.checks.reading import elements, target
from ai_layer.drafts.difference import Difference, diff
from ai_layer.drafts.lane import code_of
from ai_layer.drafts.standing import refill_view, visit_views
from ai_layer.drafts.told import parameter, recorded_refusals, referring, shown
from ai_layer.recorded import occasion
from fhir_server.access import audit
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest, parameters_result
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Looked:
    """What the Task is about, as this clinician reaches it."""

    draft: Json | None
    order: Json | None
    checks: Sequence[Check]

    def changes(self) -> list[Difference]:
        """Where there is something to compare."""
        return diff(self.order, self.draft) if self.order and self.draft else []


@recorded_refusals("review")
def review(context: Context, request: OperationRequest) -> Result:
    """The draft as it waits, and its checks as of now."""
    with context.transaction() as inside:
        assert inside.connection is not None
        task = chart.one(inside.connection, context.access, "Task", request.id)
        seen = _looked(inside, task)
        about = {
            name: reference(each) for name, each in (("draft", seen.draft), ("order", seen.order)) if each
        }
        patient_id = target(task.get("for")).partition("/")[2]
        event = audit.drafted(occasion(inside), "review", about.get("draft", ""), reference(task), patient_id)
        inside.record_event(event)
        told = [*_words(task), *map(_change, seen.changes()), *map(parameter, seen.checks)]
        return parameters_result([*referring(**about), *told])


def _looked(context: Context, task: Json) -> Looked:
    """Raises NOT_PROCESSABLE where the Task is about no draft and no order."""
    draft = _reached(context, target(task.get("focus")))
    if draft is not None and code_of(task) == "cancellation":
        return Looked(draft, None, ())
    if draft is not None and draft["resourceType"] == "Appointment":
        checks = visit_checks(*visit_views(context, task, draft))
        return Looked(draft, None, shown(context, checks, VISIT_CHECKS))
    orders = (target(each) for each in elements(task, "basedOn"))
    order = next(filter(None, (_reached(context, name) for name in orders)), None)
    if order is None or order["resourceType"] != "MedicationRequest":
        raise FhirError(Problem.NOT_PROCESSABLE, "The Task is about no draft and no order.", "Task.focus")
    checks = refill_checks(refill_view(context, order, target(task.get("for")), draft))
    return Looked(draft, order, shown(context, checks, REFILL_CHECKS))


def _reached(context: Context, name: str) -> Json | None:
    """The current version by `Type/id`, where it is there and this clinician reaches it."""
    assert context.connection is not None
    kind, _, logical_id = name.partition("/")
    if kind not in ("MedicationRequest", "Appointment"):
        return None
    return next(iter(chart.named(context.connection, context.access, kind, [logical_id])), None)


def _words(task: Json) -> Iterator[Json]:
    """What the patient and others have written to the Task."""
    for note in elements(task, "note"):
        part = [{"name": "text", "valueString": note.get("text", "")}]
        if author := target(note.get("authorReference")):
            part.append({"name": "author", "valueReference": {"reference": author}})
        yield {"name": "note", "part": part}


def _change(found: Difference) -> Json:
    """`before` and `after` as JSON; one of them is missing where the other document does not have the element."""
    sides = (("before", found.before), ("after", found.after))
    values = [{"name": name, "valueString": _text(value)} for name, value in sides if value is not None]
    return {"name": "change", "part": [{"name": "path", "valueString": found.path}, *values]}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.encode(value).decode()

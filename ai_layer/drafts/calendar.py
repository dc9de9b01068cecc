"""$calendar: a visit as a file for the patient's own calendar, a Binary of text/calendar.

https://hl7.org/fhir/R4/binary.html and https://www.rfc-editor.org/rfc/rfc5545
"""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from ai_layer.drafts import chart
from ai_layer.drafts.booked import people
from ai_layer.drafts.checks.reading import plain, when
from ai_layer.drafts.checks.visit import span
from ai_layer.drafts.ics import calendar_file
from ai_layer.drafts.told import recorded_refusals
from ai_layer.recorded import occasion
from fhir_server.access import audit
from fhir_server.interactions.context import Context, Result
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem

PLACE = ("Practitioner", "Location")


@recorded_refusals("calendar")
def calendar(context: Context, request: OperationRequest) -> Result:
    """The file. Raises NOT_PROCESSABLE for a visit without a time."""
    with context.transaction() as inside:
        assert inside.connection is not None
        visit = chart.one(inside.connection, context.access, "Appointment", request.id)
        times, written = span(visit), when(visit["meta"].get("lastUpdated"))
        if times is None or written is None:
            raise FhirError(Problem.NOT_PROCESSABLE, "The visit has no time yet.", "Appointment.start")
        place = [
            each
            for kind in PLACE
            for each in chart.named(inside.connection, context.access, kind, _ids(people(visit), kind))
        ]
        host = urlsplit(context.base).hostname or "localhost"
        data = calendar_file(visit, place, host, times, written.lo)
        patients = _ids(people(visit), "Patient")
        patient_id = patients[0] if len(patients) == 1 else ""
        inside.record_event(audit.drafted(occasion(inside), "calendar", plain(visit), "", patient_id))
    content = base64.b64encode(data).decode()
    body = {"resourceType": "Binary", "contentType": "text/calendar", "data": content}
    return Result(200, json.encode(body), "Binary")


def _ids(names: list[str], kind: str) -> list[str]:
    return [name.partition("/")[2] for name in names if name.startswith(f"{kind}/")]

"""The search parameters that US Core adds to R4; its others are R4's own, narrowed in what a server has to answer.

Facts of hl7.fhir.us.core, versions 3.1 to 9.0 ballot: base, code, type, expression. Reviewed 2026-11-23.
https://hl7.org/fhir/us/core/CapabilityStatement-us-core-server.html
"""

from __future__ import annotations

from fhir_server.r4.definitions import SearchParameter

FIRST, LAST = 4001, 4099
"""Their numbers, which stored rows hold: none changes, and none is used again."""
_URL = "http://hl7.org/fhir/us/core/SearchParameter/us-core-"
_EXTENSION = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"

_ROWS: tuple[tuple[int, str, str, str, str, str], ...] = (
    (
        *(4001, "Patient", "race", "token"),
        f"Patient.extension.where(url = '{_EXTENSION}race').extension.value.code",
        "race",
    ),
    (
        *(4002, "Patient", "ethnicity", "token"),
        f"Patient.extension.where(url = '{_EXTENSION}ethnicity').extension.value.code",
        "ethnicity",
    ),
    (
        *(4003, "Condition", "asserted-date", "date"),
        f"Condition.extension.where(url = '{_ASSERTED}').value",
        "condition-asserted-date",
    ),
    (
        *(4004, "Encounter", "discharge-disposition", "token"),
        "Encounter.hospitalization.dischargeDisposition",
        "encounter-discharge-disposition",
    ),
    (4005, "CareTeam", "role", "token", "CareTeam.participant.role", "careteam-role"),
    (4006, "Goal", "description", "token", "Goal.description", "goal-description"),
)
US_CORE: tuple[SearchParameter, ...] = tuple(
    SearchParameter(number, base, code, kind, expression, (), (), _URL + name)
    for number, base, code, kind, expression, name in _ROWS
)

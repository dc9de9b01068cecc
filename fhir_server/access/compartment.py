"""The record of one patient, as a condition on rows of `resource` or `history`.

A row carries the rids of the patients in whose compartments it stands (column `patients`).
https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.access.policy import OWN, SHARED, SOLE
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.sql import Fragment, any_of

TYPE_SHIFT = 40
"""A rid is type code << TYPE_SHIFT | sequence."""


def codes(types: Iterable[str]) -> list[int]:
    """The codes of these types, in order; a name that R4 does not have is left out."""
    return sorted(TYPE_CODE[name] for name in types if name in TYPE_CODE)


_OWN, _SOLE, _SHARED = (", ".join(map(str, codes(types))) for types in (OWN, SOLE, SHARED))
"""In the text of the statement, as they are our own: arrays of them cost more than the search itself."""


def own_rid(patient: str) -> Fragment:
    """The rid of the patient with this logical id; NULL where there is none."""
    return Fragment("(SELECT rid FROM resource WHERE type = %s AND id = %s)", (TYPE_CODE["Patient"], patient))


def type_column(alias: str) -> str:
    """The type of a row that has no column for it, such as one of `history`."""
    return f"({alias}.rid >> {TYPE_SHIFT})"


def own_record(alias: str, patient: str, kind: str = "") -> Fragment:
    """The patient's own Patient, compartment, and what is shared by all; `kind` is the SQL that gives the row's type."""
    own, kind = own_rid(patient), kind or f"{alias}.type"
    parts = (
        Fragment(f"{alias}.rid = {own.text}", own.values),
        Fragment(f"{kind} IN ({_OWN}) AND {alias}.patients @> ARRAY[{own.text}]", own.values),
        Fragment(f"{kind} IN ({_SOLE}) AND {alias}.patients = ARRAY[{own.text}]", own.values),
        Fragment(f"{kind} IN ({_SHARED}) AND {alias}.patients <@ ARRAY[{own.text}]", own.values),
    )
    whole = any_of(parts)
    return Fragment(whole.text, whole.values, f"compartment of Patient/{patient}")

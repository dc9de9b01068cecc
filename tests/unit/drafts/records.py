"""The short forms of fixtures/cases/drafts as FHIR resources, and a record of them as a RecordView."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from ai_layer.drafts.checks import RecordView

Json = dict[str, Any]
CASES = Path(__file__).parent.parent.parent.parent / "fixtures" / "cases" / "drafts"
NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
SYSTEMS = {
    "medication": ("medicationCodeableConcept", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    "rxnorm": ("code", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    "loinc": ("code", "http://loinc.org"),
    "snomed": ("code", "http://snomed.info/sct"),
    "icd": ("code", "http://hl7.org/fhir/sid/icd-10-cm"),
}
FIELDS = {
    "MedicationRequest": "orders",
    "MedicationStatement": "statements",
    "MedicationDispense": "dispenses",
    "AllergyIntolerance": "allergies",
    "Condition": "conditions",
    "Encounter": "encounters",
    "Observation": "observations",
}
_DAYS = re.compile(r"(?:(?P<ago>\d+) days ago|in (?P<ahead>\d+) days|today)\Z")


def read(name: str) -> Json:
    """A file of cases; its numbers are Decimals, as in the store."""
    text = (CASES / name).read_text()
    found: Json = yaml.load(text, Loader=_Loader)
    return found


class _Loader(yaml.SafeLoader):
    """Floats become Decimals."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def merged(*parts: Mapping[str, Json | None]) -> dict[str, Json]:
    """Later parts change elements of the same resource; None takes a resource or an element away."""
    found: dict[str, Json] = {}
    for part in parts:
        for name, elements in part.items():
            if elements is None:
                found.pop(name, None)
            else:
                both = _without_replaced(found.get(name, {}), elements) | elements
                found[name] = {key: value for key, value in both.items() if value is not None}
    return found


def _without_replaced(before: Json, elements: Json) -> Json:
    """What is said in another form replaces the form it had."""
    kept = dict(before)
    if {"medicationReference", "medicationCodeableConcept"} & elements.keys():
        kept.pop("medication", None)
    if "valueQuantity" in elements:
        kept.pop("value", None)
    return kept


def resource(name: str, elements: Json) -> Json:
    """`Type/id` and its elements in short form, as a resource of version 1."""
    kind, _, logical_id = name.partition("/")
    found: Json = {"resourceType": kind, "id": logical_id, "meta": {"versionId": "1"}}
    if kind in ("AllergyIntolerance",):
        found["patient"] = {"reference": "Patient/p"}
    elif kind not in ("Patient", "Medication"):
        found["subject"] = {"reference": "Patient/p"}
    if kind == "Observation":
        found["status"] = "final"
    for key, value in elements.items():
        found |= _long(key, _dated(value))
    return found


def _long(key: str, value: Any) -> Json:
    if key in SYSTEMS:
        element, system = SYSTEMS[key]
        code, _, display = value.partition(" ")
        return {element: {"coding": [{"system": system, "code": code, "display": display}]}}
    if key == "text":
        return {"code": {"text": value}}
    if key == "value":
        number, _, unit = value.partition(" ")
        return {"valueQuantity": {"value": Decimal(number), "unit": unit, "code": unit}}
    return {key: value}


def _dated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _dated(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_dated(each) for each in value]
    match = _DAYS.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    return (NOW + timedelta(days=int(match["ahead"] or 0) - int(match["ago"] or 0))).date().isoformat()


def view(given: Mapping[str, Json], withheld: frozenset[str] = frozenset()) -> RecordView:
    """The record of one patient, `MedicationRequest/order` being what is to be renewed."""
    found = {name: resource(name, elements) for name, elements in given.items()}
    parts = {
        field: tuple(each for each in found.values() if each["resourceType"] == kind)
        for kind, field in FIELDS.items()
    }
    return RecordView(
        NOW,
        found["MedicationRequest/order"],
        found.get("Patient/p"),
        medications={name: each for name, each in found.items() if name.startswith("Medication/")},
        withheld=withheld,
        **parts,
    )

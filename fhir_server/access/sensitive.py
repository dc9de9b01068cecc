"""Sensitive categories: which resources are withheld from everybody but the patient, unless a Consent names them.

A resource is labelled when it is written: by a code of sensitive.json anywhere in it, or by a security label that its writer gave. The
label is a bit of our index; the resource stays as its writer wrote it (docs/adr/0012-labels-in-the-index.md).
https://hl7.org/fhir/R4/security-labels.html and https://hl7.org/fhir/uv/security-label-ds4p/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from fhir_server.r4 import json as exact

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SYSTEMS = {
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "http://snomed.info/sct": "snomed",
    "http://loinc.org": "loinc",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    ACT_CODE: "labels",
}
TABLE: dict[str, Any] = json.loads(
    resources.files("fhir_server.access").joinpath("sensitive.json").read_text("utf-8")
)
CATEGORIES: tuple[str, ...] = tuple(TABLE["categories"])
"""The code of v3-ActCode that names each, in the order of their bits."""

_BITS: dict[tuple[str, str], int] = {
    (kind, code): 1 << bit
    for bit, row in enumerate(TABLE["categories"].values())
    for kind in ("labels", "icd10", "snomed", "loinc", "rxnorm")
    for code in row[kind]
}
_CODES = frozenset(code for _, code in _BITS)
_SHORT = frozenset(code for kind, code in _BITS if kind == "icd10")
_CODE = re.compile(rb'"code":"([^"\\]+)"')


def bits_of(body: bytes | None, resource: Mapping[str, Any] | None) -> int:
    """The categories of a resource; `body` is the same as JSON, and decides fast that most have none."""
    if body is None or resource is None or not any(map(_may_be_listed, set(_CODE.findall(body)))):
        return 0
    found = 0
    for system, code in _codings(resource):
        found |= _bit(SYSTEMS.get(system, ""), code)
    return found


def labelled(body: bytes) -> dict[str, Any]:
    """A stored resource with the labels that the table gives it, beside its writer's: what a Consent about labels is asked of."""
    resource: dict[str, Any] = exact.decode_object(body)
    found = [{"system": ACT_CODE, "code": name} for name in names(bits_of(body, resource))]
    if not found:
        return resource
    meta = resource.get("meta")
    own = meta if isinstance(meta, dict) else {}
    return {**resource, "meta": {**own, "security": [*own.get("security", ()), *found]}}


def bit_of_label(system: str, code: str) -> int:
    """The category that a security label names; 0 where it names none."""
    return _BITS.get(("labels", code), 0) if system in ("", ACT_CODE) else 0


def names(bits: int) -> list[str]:
    """The categories' codes."""
    return [name for bit, name in enumerate(CATEGORIES) if bits >> bit & 1]


def _may_be_listed(code: bytes) -> bool:
    text = code.decode()
    return text in _CODES or text[:3] in _SHORT or text[:5] in _SHORT or text[:6] in _SHORT


def _bit(kind: str, code: str) -> int:
    """ICD-10 codes are listed by their categories; whatever lies below one is listed, too."""
    if kind != "icd10":
        return _BITS.get((kind, code), 0)
    found = 0
    for length in range(3, len(code) + 1):
        found |= _BITS.get((kind, code[:length]), 0)
    return found


def _codings(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        system, code = value.get("system"), value.get("code")
        if isinstance(system, str) and isinstance(code, str):
            yield system, code
        value = value.values()
    elif not isinstance(value, list):
        return
    for part in value:
        yield from _codings(part)

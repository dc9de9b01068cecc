"""Whose resource it is, where it is one patient's alone: by that patient's days its dates move. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PATIENT = re.compile(r"Patient/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?\Z", re.ASCII)


def owner(resource: Mapping[str, Any]) -> str:
    """The logical id of the one patient; empty where there is none, or more than one."""
    if resource.get("resourceType") == "Patient":
        return str(resource.get("id", ""))
    found = set(_patients(resource))
    return found.pop() if len(found) == 1 else ""


def _patients(element: Any) -> Iterator[str]:
    if isinstance(element, list):
        for each in element:
            yield from _patients(each)
    elif isinstance(element, Mapping):
        if isinstance(text := element.get("reference"), str) and (match := _PATIENT.match(text)):
            yield match[1]
        for value in element.values():
            yield from _patients(value)

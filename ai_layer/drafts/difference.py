"""What a draft changes against the order that it renews, element by element, for the clinician's page. Pure.

https://hl7.org/fhir/R4/medicationrequest-definitions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
OWN = frozenset(
    [
        "id",
        "meta",
        "text",
        "identifier",
        "status",
        "statusReason",
        "intent",
        "authoredOn",
        "requester",
        "recorder",
        "basedOn",
        "priorPrescription",
        "groupIdentifier",
        "encounter",
    ]
)
"""What belongs to each of the two and says nothing about the medicine."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An element by its path (`dosageInstruction[0].text`); None where one of the two does not have it."""

    path: str
    before: Any
    after: Any


def diff(order: Json, draft: Json) -> list[Difference]:
    """Every element that differs, in the order of their paths."""
    before = {name: value for name, value in order.items() if name not in OWN}
    after = {name: value for name, value in draft.items() if name not in OWN}
    return sorted(_compared("", before, after), key=lambda each: each.path)


def _compared(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() | after.keys():
            yield from _compared(f"{path}.{name}" if path else name, before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _compared(f"{path}[{number}]", one, other)
    elif before != after:
        yield Difference(path, before, after)

"""Contained resources: what they may hold, and that each is pointed to (dom-2 to dom-5, ref-1).

https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.r4.faults import Fault, Faults


def settle(resource: dict[str, Any], faults: Faults) -> Faults:
    """The faults of a resource, its local references judged by what it contains."""
    contained = resource.get("contained")
    items = contained if type(contained) is list else []
    known = {"#"} | {f"#{item.get('id')}" for item in items if type(item) is dict}
    found = [fault for fault in faults or () if fault.local not in known]
    pointed = set(_locals(resource)) if items else set()
    for at, item in enumerate(items):
        if type(item) is dict:
            found += _of_one(item, f".contained[{at}]", pointed)
    return found or None


def _of_one(item: dict[str, Any], place: str, pointed: set[str]) -> Iterator[Fault]:
    meta = item.get("meta")
    if "contained" in item:
        yield Fault(place + ".contained", "invariant", "A contained resource contains none itself.", "dom-2")
    if f"#{item.get('id')}" not in pointed and "#" not in _locals(item):
        yield Fault(
            place, "invariant", "A contained resource has an id, and something refers to it.", "dom-3"
        )
    if type(meta) is dict and ("versionId" in meta or "lastUpdated" in meta):
        yield Fault(
            place + ".meta",
            "invariant",
            "A contained resource has no version and no time of update.",
            "dom-4",
        )
    if type(meta) is dict and "security" in meta:
        yield Fault(
            place + ".meta.security",
            "invariant",
            "A contained resource has no security label of its own.",
            "dom-5",
        )


def _locals(value: Any) -> Iterator[str]:
    """Every text that begins with `#`."""
    stack = [value]
    while stack:
        found = stack.pop()
        if type(found) is str:
            if found[:1] == "#":
                yield found
        elif type(found) is dict:
            stack.extend(found.values())
        elif type(found) is list:
            stack.extend(found)

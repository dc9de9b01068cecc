"""What a check hands back: None where all is well, else Faults whose places are told from the value that was checked.

A caller sets its own place in front with `within`; so a path is only ever written for what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.r4.outcome import Issue


class Fault(NamedTuple):
    """An issue whose `place` (`.name[0].family`) begins at the value checked; `local` is a `#id` that the resource must contain."""

    place: str
    code: str
    diagnostics: str
    key: str = ""
    severity: str = "error"
    local: str = ""

    def as_issue(self, root: str) -> Issue:
        """The same with a full FHIRPath."""
        return Issue(self.code, self.diagnostics, root + self.place, self.severity, self.key)


MOST_ISSUES = 200
"""A walk stops where it has found as many errors: nobody reads more, and a body of a few megabytes can hold a million."""

Faults = list[Fault] | None
Check = Callable[[Any, dict[str, Any]], Faults]
"""(value, the object that holds it) -> what is wrong."""


def within(place: str, faults: list[Fault]) -> list[Fault]:
    """The same faults, told from outside."""
    return [fault._replace(place=place + fault.place) for fault in faults]


def errors(faults: list[Fault]) -> int:
    """How many are errors whatever the resource contains."""
    return sum(not found.local and found.severity == "error" for found in faults)


def fault(code: str, diagnostics: str, place: str = "") -> list[Fault]:
    """A single fault."""
    return [Fault(place, code, diagnostics)]


def named(value: Any) -> str:
    """What a value is in JSON's words; never the value itself."""
    return _JSON.get(type(value), "a number")


_JSON = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}

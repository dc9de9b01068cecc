"""Scope: what a token lets its bearer do with one resource type.

SMART v1 (`patient/*.read`) and v2 (`patient/Observation.rs?category=laboratory`) become the same value.
https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

LETTERS = "cruds"
"""create, read, update, delete, search: in this order in every v2 scope."""

V1_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}

_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)\."
    r"(?:(?P<v1>read|write|\*)|(?P<v2>(?=[cruds])c?r?u?d?s?)(?:\?(?P<query>[^\s?#]+))?)"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """`type` is a resource type or `*`; `letters` a part of `cruds`; `query` the restriction behind `?`, as written."""

    context: str
    type: str
    letters: str
    query: str = ""

    def __str__(self) -> str:
        return f"{self.context}/{self.type}.{self.letters}" + (f"?{self.query}" if self.query else "")

    def covers(self, resource_type: str) -> bool:
        """The scope speaks of this type; an empty type asks for any."""
        return self.type == "*" or resource_type in ("", self.type)

    def grants(self, letter: str, resource_type: str) -> bool:
        """The letter is granted for this type.

        What is written cannot be tested against a restriction or a compartment before it is there, so a restricted scope
        and one of context `patient/` grant reading and searching only.
        """
        if letter in "cud" and (self.query or self.context == "patient"):
            return False
        return letter in self.letters and self.covers(resource_type)


def parse_scope(text: str) -> Scope | None:
    """One scope; None where the text is no scope for resources (`openid`, `launch/patient`) or not well-formed: it grants nothing."""
    found = _SCOPE.fullmatch(text)
    if not found:
        return None
    letters = V1_LETTERS[found["v1"]] if found["v1"] else found["v2"]
    return Scope(found["context"], found["type"], letters, found["query"] or "")


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """The resource scopes in a space-separated list, each once, in the order written."""
    return tuple(dict.fromkeys(s for word in text.split() if (s := parse_scope(word))))


def written(scopes: Iterable[Scope]) -> str:
    """Scopes as the space-separated text of a token."""
    return " ".join(str(scope) for scope in scopes)

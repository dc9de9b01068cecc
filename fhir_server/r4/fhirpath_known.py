"""What FHIRPath's `memberOf` and `conformsTo` ask: value sets and profiles, which whoever evaluates an expression knows.

https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Known(Protocol):
    """Both answer None where the value set or the profile is not known, or cannot tell."""

    def is_member(self, value: Any, value_set: str) -> bool | None:
        """Whether a code, or any code of a Coding or CodeableConcept, is in the value set."""

    def conforms(self, value: Any, profile: str) -> bool | None:
        """Whether a resource or element keeps the profile."""


class CannotTell(LookupError):
    """The specification wants an error, not a false, where a value set or profile cannot be resolved."""


_known: ContextVar[Known | None] = ContextVar("known", default=None)


@contextmanager
def knowing(known: Known) -> Iterator[None]:
    """Evaluate with this knowledge for as long as the block lasts."""
    token = _known.set(known)
    try:
        yield
    finally:
        _known.reset(token)


def member_of(values: list[Any], value_set: Any) -> list[Any]:
    """memberOf(). Raises CannotTell."""
    if not values:
        return []
    known = _known.get()
    found = known.is_member(values[0], str(value_set)) if known and len(values) == 1 else None
    if found is None:
        raise CannotTell("memberOf")
    return [found]


def conforms_to(values: list[Any], profile: Any) -> list[Any]:
    """conformsTo(). Of R4's own types without any knowledge too. Raises CannotTell."""
    if not values:
        return []
    if len(values) != 1 or not isinstance(values[0], dict):
        raise CannotTell("conformsTo")
    known = _known.get()
    found = known.conforms(values[0], str(profile)) if known else _is_type(values[0], str(profile))
    if found is None:
        raise CannotTell("conformsTo")
    return [found]


def _is_type(resource: dict[str, Any], profile: str) -> bool | None:
    head, _, name = profile.rpartition("/")
    return resource.get("resourceType") == name if head == "http://hl7.org/fhir/StructureDefinition" else None

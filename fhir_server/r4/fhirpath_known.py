"""What FHIRPath's `memberOf`, `conformsTo` and `resolve` ask: value sets, profiles and targets, which whoever evaluates an expression knows.

https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Known(Protocol):
    """The first two answer None where the value set or the profile is not known, or cannot tell."""

    def is_member(self, value: Any, value_set: str) -> bool | None:
        """Whether a code, or any code of a Coding or CodeableConcept, is in the value set."""

    def conforms(self, value: Any, profile: str) -> bool | None:
        """Whether a resource or element keeps the profile."""

    def resolve(self, reference: Any) -> Any:
        """The resource that a Reference points to; None where it is not at hand."""


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


def resolve(values: list[Any]) -> list[Any]:
    """resolve(). FHIRPath would leave out what is not at hand; a rule that rests on it is not broken for that. Raises CannotTell."""
    known = _known.get()
    found = [resource for value in values if known and (resource := known.resolve(value)) is not None]
    if len(found) < len(values):
        raise CannotTell("resolve")
    return [_node(resource) for resource in found]


def _node(resource: dict[str, Any]) -> Any:
    """With its type, so that `is` and `as` know it."""
    # who evaluates has imported fhirpathpy, which takes 170 ms; who only passes its knowledge on has not
    from fhirpathpy.engine.nodes import ResourceNode

    return ResourceNode(resource, str(resource["resourceType"]))  # type: ignore[no-untyped-call]


def _is_type(resource: dict[str, Any], profile: str) -> bool | None:
    head, _, name = profile.rpartition("/")
    return resource.get("resourceType") == name if head == "http://hl7.org/fhir/StructureDefinition" else None

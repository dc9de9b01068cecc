"""Which codes stand behind `:in`, `:not-in`, `:above` and `:below` of a token.

`:in` names a value set by its canonical URL or as `ValueSet/[id]`. https://hl7.org/fhir/R4/search.html#modifiers
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.r4.outcome import FhirError, Issue, Problem
from terminology.codes.catalog import Catalog
from terminology.codes.compose import MOST_MEMBERS, Composer
from terminology.codes.concept import CannotTell, Filter, Json, System

ById = Callable[[str], Json | None]
Pairs = list[tuple[str, str]]


class CatalogCodes:
    """CodesOf over a Catalog; `by_id` finds a stored ValueSet."""

    def __init__(self, catalog: Catalog, by_id: ById) -> None:
        self._catalog, self._by_id = catalog, by_id

    def __call__(self, modifier: str, system: str, code: str) -> Pairs:
        """The (system, code) pairs. Raises BAD_PARAMETER for what is not known, or cannot be listed."""
        try:
            if modifier == "in":
                return list(Composer(self._catalog).members(self._value_set(system)))
            return [(system, found) for found in _TREE[modifier](self._catalog.require_system(system), code)]
        except CannotTell as doubt:
            raise FhirError(
                Problem.BAD_PARAMETER,
                doubt.text,
                issues=[Issue(doubt.code, f":{modifier} cannot be told. {doubt.text}")],
            ) from None

    def _value_set(self, name: str) -> Json:
        logical_id = name.removeprefix("ValueSet/")
        found = self._by_id(logical_id) if logical_id != name else None
        return found or self._catalog.require_value_set(name)


def _below(system: System, code: str) -> list[str]:
    """The code and all that it subsumes."""
    found = system.select([Filter("concept", "is-a", code)], None, MOST_MEMBERS)
    return list(dict.fromkeys([code, *(concept.code for concept in found)]))


def _above(system: System, code: str) -> list[str]:
    """The code and all that subsume it."""
    return [code, *system.above(code)]


def _whole(step: Callable[[System, str], list[str]]) -> Callable[[System, str], list[str]]:
    """Of a fragment the hierarchy is not known; where codes have a form, each stands for itself."""

    def stepped(system: System, code: str) -> list[str]:
        if system.content != "complete":
            raise CannotTell("incomplete", system.note or f"Only a part of {system.url} is known here.")
        return step(system, code) if system.is_listable else [code]

    return stepped


_TREE = {"below": _whole(_below), "above": _whole(_above)}

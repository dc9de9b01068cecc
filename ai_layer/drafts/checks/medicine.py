"""Medicine: what is ordered, as its ingredients and classes; and whether every ingredient that the record names is known here.

A medicine stands in a CodeableConcept, in a Medication resource, or in one that the order contains.
https://hl7.org/fhir/R4/medicationrequest-definitions.html#MedicationRequest.medication_x_
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ai_layer.drafts.checks.reading import elements, part, target
from terminology import lay
from terminology.coding import best_text, codings_of
from terminology.lay import DrugFacts

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Medicine:
    """`is_known` only where each part that the record names has a known ingredient: what is half known passes no check."""

    label: str
    codes: frozenset[tuple[str, str]]
    ingredients: frozenset[str]
    is_known: bool

    @property
    def classes(self) -> frozenset[str]:
        """Drug classes of the known ingredients."""
        return frozenset(lay.classes_of(self.ingredients))

    @property
    def facts(self) -> tuple[DrugFacts, ...]:
        """What we hold on each known ingredient, in the order of their names."""
        return tuple(facts for name in sorted(self.ingredients) if (facts := lay.facts_of(name)))

    def is_same_as(self, other: Medicine) -> bool:
        """The same ingredients, or where those are not known the same code."""
        if self.is_known and other.is_known:
            return self.ingredients == other.ingredients
        return bool(self.codes & other.codes)


def medicine_of(resource: Json, medications: Mapping[str, Json]) -> Medicine:
    """The medicine of an order, a dispense or a statement."""
    product = _product(resource, medications)
    named = [_concept(product, referred=resource.get("medicationReference"))]
    listed = [part(each, "itemCodeableConcept") for each in elements(product, "ingredient")]
    found = frozenset(one for concept in (*named, *listed) for one in ingredients_of(concept))
    codes = frozenset(c.key for concept in named for c in codings_of(concept) if c.system and c.code)
    is_whole = all(lay.names_all(text, found) for concept in named for text in _texts(concept))
    is_known = bool(found) and is_whole and all(ingredients_of(concept) for concept in listed)
    return Medicine(best_text(named[0]) or " / ".join(map(best_text, listed)), codes, found, is_known)


def ingredients_of(concept: Json) -> frozenset[str]:
    """Known ingredients of a CodeableConcept."""
    return frozenset(lay.ingredients_of(codings_of(concept), best_text(concept)))


def _product(resource: Json, medications: Mapping[str, Json]) -> Json:
    """The Medication that the resource refers to, else the resource itself."""
    name = target(resource.get("medicationReference"))
    if name.startswith("#"):
        inner = (each for each in elements(resource, "contained") if each.get("id") == name[1:])
        return next(inner, resource)
    return medications.get(name, resource)


def _concept(product: Json, referred: Any) -> Json:
    """The concept that names the product; a reference that leads nowhere has its display."""
    for name in ("medicationCodeableConcept", "code"):
        if isinstance(concept := product.get(name), dict):
            return concept
    shown = referred.get("display") if isinstance(referred, dict) else None
    return {"text": shown} if shown else {}


def _texts(concept: Json) -> list[str]:
    said = [coding.display for coding in codings_of(concept)] + [best_text(concept)]
    return [text for text in said if text]

"""Check `allergy`: no recorded allergy is to this medicine, or to one of a kind that crosses with it.

No entry at all means that nobody asked, not that there are none: https://hl7.org/fhir/R4/allergyintolerance.html#9.1.5
What crosses stands in terminology (data/safety/allergies.json).
"""

from __future__ import annotations

from collections.abc import Iterator

from ai_layer.drafts.checks.finding import Finding, blocks, gravest, passes, unknown, warns
from ai_layer.drafts.checks.medicine import Medicine, ingredients_of, medicine_of
from ai_layer.drafts.checks.reading import Json, codes, elements, part
from ai_layer.drafts.checks.record import RecordView
from terminology import safety
from terminology.coding import best_text, codings_of

NONE_KNOWN = frozenset(["716186003", "409137002"])
"""SNOMED CT: no known allergy; no known drug allergy."""
WITHDRAWN = frozenset(["entered-in-error"])
OVER = frozenset(["inactive", "resolved"])


def allergy(view: RecordView) -> Finding:
    """The gravest of what each recorded allergy says about the medicine."""
    medicine = medicine_of(view.order, view.medications)
    recorded = [each for each in view.allergies if not codes(each.get("verificationStatus")) & WITHDRAWN]
    if not recorded:
        text = "The record holds no allergies, and no statement that there are none."
        return unknown(text, view.order)
    found = [said for each in recorded if (said := _against(each, medicine, view))]
    if found:
        return gravest(found)
    if not medicine.is_known:
        return unknown("It is not known here what the medicine is made of.", view.order, *recorded)
    return passes("No recorded allergy is to this medicine or its kind.", *recorded)


def _against(recorded: Json, medicine: Medicine, view: RecordView) -> Finding | None:
    """What one allergy says: nothing where it was refuted, a warning where it is over."""
    if "refuted" in codes(recorded.get("verificationStatus")):
        return None
    reason, is_over = _reason(recorded, medicine), bool(codes(recorded.get("clinicalStatus")) & OVER)
    if reason and is_over:
        return warns(f"An allergy that the record calls past: {reason}", recorded, view.order)
    if reason:
        return blocks(f"An allergy in the record: {reason}", recorded, view.order)
    if not is_over and _is_unclear(recorded):
        return unknown("The record has an allergy whose substance is not known here.", recorded)
    return None


def _reason(recorded: Json, medicine: Medicine) -> str:
    for concept in _substances(recorded):
        label, substance = best_text(concept), ingredients_of(concept)
        if substance & medicine.ingredients:
            return f"{label}, which is in this medicine."
        named = substance | frozenset(safety.classes_named(label))
        if crossed := safety.cross_allergy(named, medicine.ingredients):
            return f"{label}; {crossed}"
    return ""


def _substances(recorded: Json) -> Iterator[Json]:
    """What it is to: the code, and the substances of its reactions."""
    yield part(recorded, "code")
    yield from (part(reaction, "substance") for reaction in elements(recorded, "reaction"))


def _is_unclear(recorded: Json) -> bool:
    """To a medicine (or to who knows what), and none that is known here."""
    category = recorded.get("category")
    kinds = category if isinstance(category, list) and category else ["medication"]
    concepts = [each for each in _substances(recorded) if each]
    if "medication" not in kinds or any(codes(each) & NONE_KNOWN for each in concepts):
        return False
    return not any(ingredients_of(each) or _names_class(each) for each in concepts)


def _names_class(concept: Json) -> bool:
    texts = [best_text(concept), *(coding.display for coding in codings_of(concept))]
    return any(safety.classes_named(text) for text in texts)

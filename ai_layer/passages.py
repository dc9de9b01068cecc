"""Passage: what a resource means, in words that a patient would use, without its dates and numbers.

Equal texts share one vector, so a million Observations are a few thousand texts. Dates, values and codes stay beside the text, for
SQL to order and compare. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fhir_server.r4.datatypes import parse_instant_or_partial
from terminology import lay
from terminology.coding import Coding, best_text, codings_of

Json = dict[str, Any]

EXCLUDED = frozenset(["entered-in-error", "refuted", "not-done", "cancelled"])
"""Statuses of what did not happen: found only when it is asked for by name."""


_PARTS = ("component", "referenceRange", "dosageInstruction", "stage", "evidence", "reaction")
CURRENT = frozenset(["active", "resolved", "stopped", "completed"])
GROUPS = {lay.Kind.LAB: "laboratory", lay.Kind.VITAL: "vital signs"}
ENGLISH_WORDS, FRENCH_WORDS = 8, 5


@dataclass(frozen=True, slots=True)
class Passage:
    """`text` is embedded; `label` is what the concept is called; the rest orders and filters."""

    text: str
    label: str
    status: str
    system: str
    code: str
    time: datetime | None
    value: Decimal | None
    unit: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a resource type is read: the word for it, its concept, its statuses, and where its time stands."""

    word: str
    concept: tuple[str, ...]
    statuses: tuple[str, ...]
    times: tuple[str, ...]
    category: str = "category"


KINDS: dict[str, _Kind] = {
    "Observation": _Kind(
        "result",
        ("code",),
        ("status",),
        ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
    ),
    "Condition": _Kind(
        "condition",
        ("code",),
        ("clinicalStatus", "verificationStatus"),
        ("onsetDateTime", "onsetPeriod", "recordedDate"),
    ),
    "MedicationRequest": _Kind(
        "medicine", ("medicationCodeableConcept", "medicationReference"), ("status",), ("authoredOn",)
    ),
    "AllergyIntolerance": _Kind(
        "allergy", ("code",), ("clinicalStatus", "verificationStatus"), ("recordedDate", "onsetDateTime")
    ),
    "Procedure": _Kind("procedure", ("code",), ("status",), ("performedDateTime", "performedPeriod")),
    "Immunization": _Kind("vaccine", ("vaccineCode",), ("status",), ("occurrenceDateTime",)),
    "DiagnosticReport": _Kind(
        "report", ("code",), ("status",), ("effectiveDateTime", "effectivePeriod", "issued")
    ),
}


def passage_of(resource: Json) -> Passage | None:
    """The passage; None for types that have none, and for resources without a concept."""
    kind = KINDS.get(resource["resourceType"])
    if kind is None:
        return None
    concept = concept_of(resource)
    if (
        not concept
        or resource.get("intent") in ("proposal", "plan", "option")
        or may_mean_otherwise(resource)
    ):
        return None
    codings = codings_of(concept)
    status = _status(resource, kind)
    text = _text(
        kind.word, codings, best_text(concept), _categories(resource, kind), _inner(resource), status
    )
    first = codings[0] if codings else Coding("", "", "")
    value, unit = _value(resource)
    return Passage(
        text, best_text(concept), status, first.system or "", first.code or "", time_of(resource), value, unit
    )


def may_mean_otherwise(resource: Json) -> bool:
    """Whether it carries a modifier extension, or rules that it was made by: what it says may not be what it means, and is not told.

    https://hl7.org/fhir/R4/extensibility.html#modifierExtension and https://hl7.org/fhir/R4/resource-definitions.html#Resource.implicitRules
    """
    if "modifierExtension" in resource or "implicitRules" in resource:
        return True
    parts = (part for name in _PARTS for part in resource.get(name, ()) if isinstance(part, dict))
    return any("modifierExtension" in part for part in parts)


def concept_of(resource: Json) -> Json:
    """The CodeableConcept that says what the resource is about; a reference with a display will do."""
    for name in KINDS[resource["resourceType"]].concept:
        found = resource.get(name)
        if isinstance(found, dict):
            return {"text": found["display"]} if "reference" in found and "display" in found else found
    return {}


def time_of(resource: Json) -> datetime | None:
    """When it was, by the first of the elements that has it."""
    for name in KINDS[resource["resourceType"]].times:
        found = resource.get(name)
        text = found.get("start", found.get("end")) if isinstance(found, dict) else found
        if isinstance(text, str):
            try:
                return parse_instant_or_partial(text).lo
            except ValueError:
                continue
    return None


def _status(resource: Json, kind: _Kind) -> str:
    """The one status that counts most: an error or a refutation beats `active`."""
    found = [_status_code(resource.get(name)) for name in kind.statuses]
    return next((s for s in found if s in EXCLUDED), next((s for s in found if s), ""))


def _status_code(value: Any) -> str:
    if isinstance(value, dict):
        return next((coding.code or "" for coding in codings_of(value)), "")
    return value if isinstance(value, str) else ""


def _categories(resource: Json, kind: _Kind) -> tuple[str, ...]:
    found = resource.get(kind.category)
    every = found if isinstance(found, list) else [found]
    return tuple(best_text(c) if isinstance(c, dict) else c for c in every if isinstance(c, (dict, str)))


def _inner(resource: Json) -> tuple[str, ...]:
    """Names of components, and of the site."""
    parts = [best_text(c.get("code", {})) for c in resource.get("component", ()) if isinstance(c, dict)]
    sites = resource.get("bodySite", ())
    return tuple(
        parts + [best_text(s) for s in (sites if isinstance(sites, list) else [sites]) if isinstance(s, dict)]
    )


def _value(resource: Json) -> tuple[Decimal | None, str]:
    quantity = resource.get("valueQuantity")
    if not isinstance(quantity, dict) or not isinstance(quantity.get("value"), (int, Decimal)):
        return None, ""
    return Decimal(quantity["value"]), str(quantity.get("unit") or quantity.get("code") or "")


@lru_cache(maxsize=20_000)
def _text(
    word: str,
    codings: tuple[Coding, ...],
    shown: str,
    categories: tuple[str, ...],
    inner: tuple[str, ...],
    status: str,
) -> str:
    """The sentence that is embedded; asked for again and again, so remembered."""
    if known := known_text(word, codings, shown):
        return ". ".join(dict.fromkeys([known, *inner]))
    parts = [word, shown, *inner, *categories]
    if word in ("medicine", "allergy"):
        parts += [name.replace("-", " ") for name in lay.drug_classes(codings, shown)]
    parts.append(status if status in CURRENT else "")
    return ". ".join(dict.fromkeys(p for p in parts if p))


def known_text(word: str, codings: tuple[Coding, ...], shown: str = "") -> str:
    """What is embedded for a concept with plain words: those words, whoever sent it; "" where there are none.

    Such texts are few and known beforehand, and so are their vectors (`word_vectors.py`). How a sender writes the concept stays in the label.
    """
    entry = lay.describe_any(codings, shown)
    if entry is None:
        return ""
    classes = lay.drug_classes(codings, shown) if word in ("medicine", "allergy") else ()
    parts = [
        word,
        *_lay_words(entry),
        GROUPS.get(entry.kind, ""),
        *(name.replace("-", " ") for name in classes),
    ]
    return ". ".join(dict.fromkeys(p for p in parts if p))


def _lay_words(entry: lay.LayEntry) -> list[str]:
    """The plain name and the commonest words for it."""
    return [*lay.synonyms(entry, "en")[:ENGLISH_WORDS], *lay.synonyms(entry, "fr")[:FRENCH_WORDS]]

"""beside: what stands beside a result, each sentence with its source: a critical limit, the value in its other unit, medicines of this
record that bear on it, what people ask next. Pure.

ground.py renders these sentences again from what they cite; one that differs in a letter is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from ai_layer import phrases
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.grounding.comparisons import place
from ai_layer.grounding.facts import facts_of
from ai_layer.phrases import sentence, word
from terminology import lay
from terminology.analytes import analytes
from terminology.critical import critical
from terminology.lay_data import read_json
from terminology.ucum import convert

Json = dict[str, Any]
MEDICINE = "MedicationRequest"


def beside(item: Evidence, medicines: Sequence[Evidence], language: str) -> list[Claim]:
    """The claims about a result with a value, most urgent first."""
    return [*is_critical(item, language), *in_other_unit(item, language), *related(item, medicines, language)]


def is_critical(item: Evidence, language: str) -> list[Claim]:
    """That the value is one of which laboratories tell at once."""
    found = None if item.value is None else critical(item.codings, item.value, _unit(item))
    if found is None:
        return []
    text = sentence(
        *(language, "critical"),
        side=word(language, "above" if found.side == "high" else "below").split()[0],
        limit=f"{phrases.number(language, found.limit)} {item.unit}".strip(),
    )
    return [Claim(text, (item.reference,), ("Observation.value",), found.source)]


def in_other_unit(item: Evidence, language: str) -> list[Claim]:
    """`231.5 mg/dL` is `5.99 mmol/L`: both are in use."""
    entry = lay.describe_any(item.codings, item.label)
    facts = analytes().get(entry.lab.analyte or "") if entry and entry.lab else None
    if item.value is None or facts is None:
        return []
    unit = _unit(item)
    other = {facts.conventional: facts.si, facts.si: facts.conventional}.get(unit, "")
    value = convert(item.value, unit, other, facts.name) if other and other != unit else None
    if value is None:
        return []
    said = f"{phrases.number(language, _short(value))} {other}"
    return [
        Claim(
            sentence(language, "other_unit", value=said),
            (item.reference,),
            ("Observation.value",),
            facts.source,
        )
    ]


def related(item: Evidence, medicines: Sequence[Evidence], language: str) -> list[Claim]:
    """Medicines of this record that bear on a result outside its range."""
    entry = lay.describe_any(item.codings, item.label)
    if entry is None or item.value is None:
        return []
    where = place(facts_of([item])[0])
    return [
        Claim(
            sentence(language, "related", name=medicine.label, says=row["says"][language]),
            (item.reference, medicine.reference),
            ("Observation.value", "MedicationRequest.medication"),
            row["source"],
        )
        for row in _rows()
        if row["result"] == entry.id and row["side"] in where
        for medicine in medicines
        if medicine.type == MEDICINE
        and set(lay.drug_classes(medicine.codings, medicine.label)) & set(row["classes"])
    ]


def panel(items: Sequence[Evidence], language: str) -> list[Claim]:
    """How many results of a report lie where in the ranges that came with them."""
    valued = [item for item in items if item.type == "Observation" and item.value is not None]
    placed = [(item, place(fact)) for item in valued for fact in facts_of([item])[:1] if fact.ranges]
    if len(placed) < 2:
        return []
    numbers = {name: str(sum(name in where for _, where in placed)) for name in ("above", "below", "inside")}
    cited = tuple(item.reference for item, _ in placed)
    text = sentence(language, "panel", count=str(len(placed)), **numbers)
    return [Claim(text, cited, ("Observation.value",) * len(cited))]


def mixture(item: Evidence, language: str) -> list[Claim]:
    """What a medicine of several ingredients holds, and what each of them is for."""
    parts = lay.describe_mixture(item.codings, item.label) if item.type == MEDICINE else ()
    return [
        Claim(
            sentence(language, "mixture", name=part.name_in(language), about=part.about_in(language)),
            (item.reference,),
            ("MedicationRequest.medication",),
            part.source,
        )
        for part in parts
    ]


def concerns(evidence: Sequence[Evidence]) -> bool:
    """Whether medicines of the record can bear on any of these."""
    entries = {e.id for item in evidence if (e := lay.describe_any(item.codings, item.label))}
    return any(row["result"] in entries for row in _rows())


def asked_next(item: Evidence, language: str) -> list[Claim]:
    """What people usually ask a clinician next."""
    form = {
        "Observation": "next_result",
        "DiagnosticReport": "next_result",
        "Condition": "next_condition",
    }.get(item.type, "next_medicine")
    return [Claim(sentence(language, form), (item.reference,), (f"{item.type}.{_coded(item)}",))]


def _coded(item: Evidence) -> str:
    return "medication" if item.type == MEDICINE else "code"


def sourced(cited: Sequence[Evidence]) -> Iterator[str]:
    """Every sentence of this file, and of the plain-word entries, that these bear."""
    medicines = [item for item in cited if item.type == MEDICINE]
    for item in cited:
        for language in phrases.SENTENCES:
            yield from (
                claim.text
                for claim in (
                    *beside(item, medicines, language),
                    *mixture(item, language),
                    *asked_next(item, language),
                )
            )
        if item is cited[0] and len(cited) > 1:
            yield from (c.text for language in phrases.SENTENCES for c in panel(cited, language))
        if entry := lay.describe_any(item.codings, item.label):
            for words in (entry.about, entry.lab and entry.lab.high, entry.lab and entry.lab.low):
                yield from (words.values() if words else ())


def _unit(item: Evidence) -> str:
    return str(item.elements.get("valueQuantity", {}).get("code") or item.unit)


def _short(value: Decimal) -> Decimal:
    """Three digits that count."""
    digits = max(0, 2 - value.adjusted())
    return round(value, digits) if digits else Decimal(round(value))


@cache
def _rows() -> list[Json]:
    found: list[Json] = read_json("safety", "related.json")["related"]
    return found

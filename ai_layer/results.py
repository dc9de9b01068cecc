"""Claims about results: the value with its unit, its range and where that comes from, the flag, the change and the trend. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

from ai_layer import phrases
from ai_layer.beside import beside
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.phrases import sentence, word
from terminology import lay
from terminology.coding import best_text, codings_of
from terminology.ucum import convert

__all__ = ("UTC", "claims", "value_claim")

SYSTOLIC, DIASTOLIC = ("8480-6", "8459-0", "8460-8"), ("8462-4", "8453-3", "8454-1")
FLAGS = {
    "H": "high",
    "HH": "critically high",
    "L": "low",
    "LL": "critically low",
    "A": "abnormal",
    "AA": "critical",
    "N": "normal",
}
FLAGS_FR = {
    "H": "élevé",
    "HH": "très élevé",
    "L": "bas",
    "LL": "très bas",
    "A": "anormal",
    "AA": "critique",
    "N": "normal",
}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Range:
    """Ends in the result's own unit; `source` is empty where the result carries it itself."""

    low: Decimal | None
    high: Decimal | None
    source: str = ""


def claims(
    group: Sequence[Evidence],
    language: str,
    sex: str | None,
    age: float | None,
    wants: str,
    medicines: Sequence[Evidence] = (),
) -> list[Claim]:
    """What there is to say of one kind of result; the first of the group is the one that was asked for."""
    latest = group[0]
    if latest.elements.get("component"):
        return [*_components(latest, language), *_before(group, language), *_about(latest, language)]
    said = [value_claim(latest, language)]
    if latest.value is not None:
        said += _range(latest, language, sex, age)
        said += _flag(latest, language)
        said += beside(latest, medicines, language)
        said += _series(group, language) if wants == "trend" else _change(group, language)
    return said + _about(latest, language)


def name_of(item: Evidence, language: str) -> str:
    """The plain name, and the record's own in brackets where it says something else."""
    entry = lay.describe_any(item.codings, item.label)
    plain = entry.name_in(language) if entry else item.label
    return plain if not item.label or plain.lower() == item.label.lower() else f"{plain} ({item.label})"


def value_claim(item: Evidence, language: str) -> Claim:
    shown, path = _shown(item.elements, language)
    date = phrases.date(language, item.time)
    form = "no_value" if not shown else "value" if item.time else "value_undated"
    text = sentence(language, form, name=name_of(item, language), value=shown, date=date)
    return Claim(text, (item.reference,), (f"Observation.{path}",))


def _shown(elements: Json, language: str) -> tuple[str, str]:
    """The value in words, and the element that holds it."""
    quantity = elements.get("valueQuantity")
    if isinstance(quantity, dict) and isinstance(quantity.get("value"), (int, Decimal)):
        unit = quantity.get("unit") or quantity.get("code") or ""
        sign = quantity.get("comparator", "")
        return f"{sign}{phrases.number(language, Decimal(quantity['value']))} {unit}".strip(), "value"
    if isinstance(elements.get("valueCodeableConcept"), dict):
        return best_text(elements["valueCodeableConcept"]), "value"
    for name in ("valueString", "valueInteger", "valueBoolean"):
        if name in elements:
            return str(elements[name]), "value"
    return "", "code"


def _components(item: Evidence, language: str) -> list[Claim]:
    parts = [c for c in item.elements["component"] if isinstance(c, dict)]
    pressure = {
        key: _component(parts, codes) for key, codes in (("systolic", SYSTOLIC), ("diastolic", DIASTOLIC))
    }
    date = phrases.date(language, item.time)
    if all(value is not None for value in pressure.values()):
        numbers = {k: phrases.number(language, v) for k, v in pressure.items() if v is not None}
        text = sentence(language, "blood_pressure", unit="mmHg", date=date, **numbers)
        return [Claim(text, (item.reference,), ("Observation.component.value",))]
    said = []
    for part in parts:
        shown, _ = _shown(part, language)
        if shown:
            text = sentence(language, "value", name=best_text(part.get("code", {})), value=shown, date=date)
            said.append(Claim(text, (item.reference,), ("Observation.component.value",)))
    return said or [
        Claim(
            sentence(language, "no_value", name=name_of(item, language), date=date),
            (item.reference,),
            ("Observation.code",),
        )
    ]


def _before(group: Sequence[Evidence], language: str) -> list[Claim]:
    """The blood pressure before the latest."""
    for item in group[1:2]:
        parts = [c for c in item.elements.get("component", ()) if isinstance(c, dict)]
        upper, lower = _component(parts, SYSTOLIC), _component(parts, DIASTOLIC)
        if upper is not None and lower is not None and item.time:
            numbers = {
                "systolic": phrases.number(language, upper),
                "diastolic": phrases.number(language, lower),
            }
            date = phrases.date(language, item.time)
            text = sentence(language, "before_that", unit="mmHg", date=date, **numbers)
            return [Claim(text, (item.reference,), ("Observation.component.value",))]
    return []


def _placed(item: Evidence, sex: str | None, age: float | None) -> str:
    """Where the value lies in its own range, else in the usual one; nowhere where there is none."""
    found = (_own_range(item) or _lay_range(item, sex, age)) if item.type == "Observation" else None
    if found is None or item.value is None:
        return ""
    if found.low is not None and item.value < found.low:
        return "below"
    return "above" if found.high is not None and item.value > found.high else "inside"


def _component(parts: Sequence[Json], codes: Sequence[str]) -> Decimal | None:
    for part in parts:
        if any(c.code in codes for c in codings_of(part.get("code"))):
            value = part.get("valueQuantity", {}).get("value")
            return Decimal(value) if isinstance(value, (int, Decimal)) else None
    return None


def _range(item: Evidence, language: str, sex: str | None, age: float | None) -> list[Claim]:
    found = _own_range(item) or _lay_range(item, sex, age)
    if found is None or item.value is None:
        return [Claim(sentence(language, "no_range"), (item.reference,), ("Observation.referenceRange",))]
    position = _placed(item, sex, age)
    form, path = ("lay_range", "value") if found.source else ("own_range", "referenceRange")
    text = sentence(
        language,
        form,
        range=_ends(found, item.unit, language),
        position=word(language, position),
        source=_host(found.source),
    )
    return [
        Claim(text, (item.reference,), (f"Observation.{path}",), found.source),
        *_meaning(item, position, language),
    ]


def _host(source: str) -> str:
    return source.partition("://")[2].partition("/")[0] or source


def _own_range(item: Evidence) -> _Range | None:
    for found in item.elements.get("referenceRange", ()):
        low, high = (found.get(end, {}).get("value") for end in ("low", "high"))
        if isinstance(low, (int, Decimal)) or isinstance(high, (int, Decimal)):
            return _Range(None if low is None else Decimal(low), None if high is None else Decimal(high))
    return None


def _lay_range(item: Evidence, sex: str | None, age: float | None) -> _Range | None:
    """The usual adult range, in the result's unit; none where the unit cannot be converted."""
    for coding in item.codings:
        found = lay.reference_range(coding, sex, age)
        if found is not None:
            code = item.elements.get("valueQuantity", {}).get("code") or item.unit
            entry = lay.describe_any([coding])
            analyte = entry.lab.analyte if entry and entry.lab else None
            ends = [
                None if end is None else convert(end, found.unit, code, analyte)
                for end in (found.low, found.high)
            ]
            given = [end for end in (found.low, found.high) if end is not None]
            return (
                _Range(ends[0], ends[1], found.source)
                if len([e for e in ends if e is not None]) == len(given)
                else None
            )
    return None


def _ends(found: _Range, unit: str, language: str) -> str:
    low, high = (None if end is None else phrases.number(language, end) for end in (found.low, found.high))
    if low is not None and high is not None:
        return f"{low} {'à' if language == 'fr' else 'to'} {high} {unit}".strip()
    if high is not None:
        return f"{'au plus' if language == 'fr' else 'up to'} {high} {unit}".strip()
    return f"{'au moins' if language == 'fr' else 'at least'} {low} {unit}".strip()


def _meaning(item: Evidence, position: str, language: str) -> list[Claim]:
    entry = lay.describe_any(item.codings, item.label)
    words = (
        None
        if entry is None or entry.lab is None
        else {"above": entry.lab.high, "below": entry.lab.low}.get(position)
    )
    if not words or entry is None:
        return []
    return [
        Claim(words.get(language) or words["en"], (item.reference,), ("Observation.value",), entry.source)
    ]


def _flag(item: Evidence, language: str) -> list[Claim]:
    table = FLAGS_FR if language == "fr" else FLAGS
    codes = [
        c.code for i in item.elements.get("interpretation", ()) if isinstance(i, dict) for c in codings_of(i)
    ]
    flag = next((table[c] for c in codes if c in table), None)
    text = sentence(language, "flag", flag=flag or "")
    return [Claim(text, (item.reference,), ("Observation.interpretation",))] if flag else []


def _comparable(group: Sequence[Evidence]) -> list[Evidence]:
    """Results with a value in the unit of the first, in order of time."""
    same = [e for e in group if e.value is not None and e.unit == group[0].unit and e.time is not None]
    return sorted(same, key=lambda e: e.time.timestamp() if e.time else 0.0)


def _change(group: Sequence[Evidence], language: str) -> list[Claim]:
    """Against the one before."""
    latest = group[0]
    earlier = [e for e in _comparable(group) if e.time and latest.time and e.time < latest.time]
    if not earlier or latest.value is None or earlier[-1].value is None:
        return []
    before = earlier[-1]
    cited, paths = (latest.reference, before.reference), ("Observation.value", "Observation.value")
    date = phrases.date(language, before.time)
    if before.value == latest.value:
        return [Claim(sentence(language, "unchanged", date=date), cited, paths)]
    direction = word(language, "up" if latest.value > before.value else "down")  # type: ignore[operator]
    shown, _ = _shown(before.elements, language)
    return [Claim(sentence(language, "trend", direction=direction, before=shown, date=date), cited, paths)]


def _series(group: Sequence[Evidence], language: str) -> list[Claim]:
    """From the oldest to the newest of what was found."""
    series = _comparable(group)
    if len(series) < 2:
        return []
    first, last = series[0], series[-1]
    text = sentence(
        *(language, "series"),
        count=str(len(series)),
        first=_shown(first.elements, language)[0],
        first_date=phrases.date(language, first.time),
        last=_shown(last.elements, language)[0],
        last_date=phrases.date(language, last.time),
    )
    cited = tuple(e.reference for e in series)
    return [Claim(text, cited, ("Observation.value",) * len(cited))]


def _about(item: Evidence, language: str) -> list[Claim]:
    entry = lay.describe_any(item.codings, item.label)
    if entry is None:
        return []
    return [Claim(entry.about_in(language), (item.reference,), ("Observation.code",), entry.source)]

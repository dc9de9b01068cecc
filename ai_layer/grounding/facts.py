"""Facts: what the cited elements bear, one fact a resource, and one more for each component with a value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ai_layer.evidence import Evidence
from terminology import lay
from terminology.coding import Coding, best_text, codings_of
from terminology.text import fold
from terminology.ucum import convert

Json = dict[str, Any]
Ends = tuple[Decimal | None, Decimal | None]
_DAY = re.compile(r"^(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
UNIT_WORDS = {
    "%": ("percent", "pour cent"),
    "mm[Hg]": ("mmHg",),
    "kg": ("kilos", "kilograms"),
    "/min": ("bpm",),
}
"""Other ways to write a unit of the record."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date as precise as it is said: month and day are 0 where they are not."""

    year: int
    month: int = 0
    day: int = 0

    def covers(self, other: Moment) -> bool:
        """Whether `other`, said at least as precisely, lies within."""
        return self.year == other.year and self.month in (0, other.month) and self.day in (0, other.day)


@dataclass(frozen=True, slots=True)
class Fact:
    """`names` are folded; `concept` is the same for results of one kind; `numbers` are further ones, with their unit; `written` are the
    words of the record's own name, `told` what it holds where that is no number, `order` its time."""

    concept: int
    names: frozenset[str]
    entry: lay.LayEntry | None
    kind: str
    value: Decimal | None
    units: frozenset[str]
    moments: tuple[Moment, ...]
    ranges: tuple[Ends, ...]
    usual: tuple[Ends, ...]
    statuses: frozenset[str]
    flags: frozenset[str]
    numbers: frozenset[tuple[Decimal, str]]
    sources: frozenset[str]
    written: frozenset[str]
    told: frozenset[str]
    order: float

    @property
    def moment(self) -> Moment:
        """When it was; the year 0 where the record does not say."""
        return self.moments[0] if self.moments else Moment(0)


def facts_of(cited: Sequence[Evidence]) -> list[Fact]:
    """The facts, components after the resource that holds them."""
    concepts: dict[str, int] = {}
    return [fact for item in cited for fact in _facts(item, concepts)]


def _facts(item: Evidence, concepts: dict[str, int]) -> Iterator[Fact]:
    yield _fact(item, item.codings, item.label, item.elements, concepts)
    for part in item.elements.get("component", ()):
        if isinstance(part, dict):
            concept = part.get("code", {})
            yield _fact(item, codings_of(concept), best_text(concept), part, concepts)


def _fact(
    item: Evidence, codings: Sequence[Coding], label: str, elements: Json, concepts: dict[str, int]
) -> Fact:
    entry = lay.describe_any(codings, label)
    quantity = elements.get("valueQuantity")
    quantity = quantity if isinstance(quantity, dict) else {}
    unit, code = str(quantity.get("unit") or ""), str(quantity.get("code") or "")
    key = next((c.code for c in codings if c.code), label)
    return Fact(
        concepts.setdefault(f"{item.type} {key}", len(concepts)),
        frozenset(_names(label, codings, entry)),
        entry,
        item.type,
        _decimal(quantity.get("value")),
        frozenset(u.lower() for each in (unit, code) if each for u in (each, *UNIT_WORDS.get(each, ()))),
        tuple(_moments(item)),
        tuple(_ranges(elements)),
        tuple(_usual(codings, entry, code or unit)),
        frozenset(_statuses(item)),
        frozenset(c.code for i in elements.get("interpretation", ()) for c in codings_of(i)),
        frozenset(_further(item, label)),
        frozenset(_hosts(entry)),
        frozenset(w for text in (label, *(c.display for c in codings)) for w in _forms(text)),
        frozenset(fold(text) for text in _told(elements)),
        item.time.timestamp() if item.time else 0.0,
    )


def _told(elements: Json) -> Iterator[str]:
    """A value that is a text or a concept, as the record writes it."""
    concept = elements.get("valueCodeableConcept")
    texts = [
        best_text(concept) if isinstance(concept, dict) else "",
        elements.get("valueString"),
        elements.get("valueBoolean"),
    ]
    yield from (str(text) for text in texts if text not in (None, "") and fold(str(text)))


def _forms(text: str) -> Iterator[str]:
    """The words of the record's own name, and their plurals."""
    for word in fold(text).split():
        yield from (word, word + "s")


def _names(label: str, codings: Sequence[Coding], entry: lay.LayEntry | None) -> Iterator[str]:
    """The record's own words, whole and without what stands in brackets, and all plain words of the entry."""
    written = [label, *(c.display for c in codings)]
    told = [w for each in ("en", "fr") for w in (lay.synonyms(entry, each) if entry else ())]
    told += entry.drug.words if entry and entry.drug else ()
    for name in [*written, *told]:
        for form in (
            name,
            re.sub(r"\s*[\[(].*", "", name),
            re.sub(r"[()]", "", name),
            *re.findall(r"\(([^)]{4,})\)", name),
        ):
            if fold(form) and fold(form) not in ("disorder", "finding", "procedure", "situation"):
                yield fold(form)


def _decimal(value: Any) -> Decimal | None:
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def _moments(item: Evidence) -> Iterator[Moment]:
    """Its own time first, then each further date of its elements."""
    if item.time:
        yield Moment(item.time.year, item.time.month, item.time.day)
    for text in _texts(item.elements):
        if match := _DAY.match(text):
            yield Moment(int(match[1]), int(match[2] or 0), int(match[3] or 0))


def _texts(element: Any) -> Iterator[str]:
    if isinstance(element, str):
        yield element
    elif isinstance(element, (dict, list)):
        for part in element.values() if isinstance(element, dict) else element:
            yield from _texts(part)


def _ranges(elements: Json) -> Iterator[Ends]:
    for found in elements.get("referenceRange", ()):
        if isinstance(found, dict):
            ends = tuple(_decimal(found.get(end, {}).get("value")) for end in ("low", "high"))
            yield ends[0], ends[1]


def _usual(codings: Sequence[Coding], entry: lay.LayEntry | None, unit: str) -> Iterator[Ends]:
    """Usual ranges of the entry, in the unit of the result where they can be said in it."""
    if entry is None or entry.lab is None:
        return
    for found in entry.lab.ranges:
        low, high = (
            None if end is None else convert(end, found.unit, unit, entry.lab.analyte)
            for end in (found.low, found.high)
        )
        yield low, high


def _statuses(item: Evidence) -> Iterator[str]:
    for name in ("status", "clinicalStatus", "verificationStatus"):
        found = item.elements.get(name)
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            yield from (c.code for c in codings_of(found))


def _further(item: Evidence, label: str) -> Iterator[tuple[Decimal, str]]:
    """Numbers with their unit in the record's own name (`10 MG`), and how often an order may be repeated."""
    for number, unit in re.findall(r"(\d+(?:\.\d+)?) ?([A-Za-z%/]+)?", label):
        yield Decimal(number), unit.lower()
    repeats = item.elements.get("dispenseRequest", {}).get("numberOfRepeatsAllowed")
    if isinstance(repeats, int):
        yield from (
            (Decimal(repeats), word) for word in ("repeats", "repeat", "refills", "refill", "renouvellements")
        )


def _hosts(entry: lay.LayEntry | None) -> Iterator[str]:
    sources = (
        [entry.source, *(r.source for r in entry.lab.ranges)]
        if entry and entry.lab
        else [entry.source]
        if entry
        else []
    )
    for source in sources:
        yield source.partition("://")[2].partition("/")[0]

"""Known: how a person is called in resources (Patient, RelatedPerson, Coverage ...), so that it can be found in free text again.

Names, address lines, cities, ZIP codes, phones, mail addresses, identifiers, days of birth and death, and the logical id.
https://hl7.org/fhir/R4/patient.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

NAME, ADDRESS, TELECOM, NUMBER, DAY = "name", "address", "telecom", "number", "date"
LEAST = {NAME: 2, ADDRESS: 3, TELECOM: 4, NUMBER: 4, DAY: 8}
"""Letters of a term at least: fewer would take out half of a text and tell nobody who it is."""
PHONE_DIGITS = 7
SPELLED = {
    "ä": "ae?",
    "ö": "oe?",
    "ü": "ue?",
    "ß": "(?:ß|ss)",
    "ø": "(?:ø|oe?)",
    "œ": "(?:œ|oe)",
    "æ": "(?:æ|ae)",
    "å": "aa?",
    "ł": "[łl]",
}
"""Letters that people write in more than one way; the others lose their accents only."""
MONTHS = (
    ("jan", "january", "janvier"),
    ("feb", "february", "fevrier"),
    ("mar", "march", "mars"),
    ("apr", "april", "avril"),
    ("may", "mai"),
    ("jun", "june", "juin"),
    ("jul", "july", "juillet"),
    ("aug", "august", "aout"),
    ("sep", "sept", "september", "septembre"),
    ("oct", "october", "octobre"),
    ("nov", "november", "novembre"),
    ("dec", "december", "decembre"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """A pattern a kind, over folded text; None where nothing is known."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()

    @classmethod
    def of(cls, resources: Iterable[Mapping[str, Any]]) -> Known:
        """What these resources say of who somebody is."""
        terms: dict[str, set[str]] = {}
        for resource in resources:
            for kind, term in _terms(resource):
                if len(term) >= LEAST[kind]:
                    terms.setdefault(kind, set()).add(_pattern(kind, term))
        return cls(tuple((kind, _any(found)) for kind, found in terms.items()))


def folded(text: str) -> str:
    """Lower case without accents, letter by letter: each place in it is the same place in the text."""
    return "".join(map(_letter, text))


def _letter(char: str) -> str:
    lowered = unicodedata.normalize("NFKD", char)[:1].lower()
    return lowered if len(lowered) == 1 else char


def _any(patterns: set[str]) -> re.Pattern[str]:
    return re.compile("|".join(sorted(patterns, key=lambda p: (-len(p), p))))


def _pattern(kind: str, term: str) -> str:
    """The term however it is parted: `555-0100` is `555 0100`. Names stand alone among letters, numbers among digits."""
    parts = [
        "".join(map(_spelled, part)) for part in re.findall(r"[^\W_]+", unicodedata.normalize("NFC", term))
    ]
    if kind in (TELECOM, NUMBER) and "@" not in term:
        parts = [_spelled(char) for char in term if char.isalnum()]
        return rf"(?<!\d){(r'[^a-z0-9]{0,3}').join(parts)}(?!\d)"
    joined = r"[\W_]{0,3}".join(parts)
    return rf"(?<![^\W\d_]){joined}(?![^\W\d_])"


def _spelled(char: str) -> str:
    return SPELLED.get(char.lower()) or re.escape(folded(char))


def _terms(element: Any, inside: str = "") -> Iterator[tuple[str, str]]:
    """Every term, by the shape of the datatype that holds it."""
    if isinstance(element, list):
        for each in element:
            yield from _terms(each, inside)
    elif isinstance(element, Mapping):
        yield from _own_terms(element, inside)
        for name, value in element.items():
            yield from _terms(value, name)


def _own_terms(element: Mapping[str, Any], inside: str) -> Iterator[tuple[str, str]]:
    if "resourceType" in element and len(text := str(element.get("id", ""))) >= 8:
        yield NUMBER, text
    if "family" in element or "given" in element or inside in ("name", "contactName"):
        yield from ((NAME, term) for term in _names(element))
    if "line" in element or "city" in element or inside in ("address", "valueAddress"):
        yield from ((ADDRESS, term) for term in _lines(element))
    if inside == "telecom" or inside == "valueContactPoint":
        yield from ((TELECOM, term) for term in _numbers(str(element.get("value", ""))))
    if inside in ("identifier", "valueIdentifier"):
        value = str(element.get("value", ""))
        yield from ((NUMBER, term) for term in (value, *re.findall(r"\d{5,}", value)))
    if str(element.get("url", "")).endswith("MaidenName"):
        yield NAME, str(element.get("valueString", ""))
    for name in ("birthDate", "deceasedDateTime"):
        yield from ((DAY, term) for term in _days(str(element.get(name, ""))))
    for name in ("subscriberId", "policyHolderId"):
        yield NUMBER, str(element.get(name, ""))


def _names(name: Mapping[str, Any]) -> Iterator[str]:
    """The family name, each given name, and their parts."""
    given = name.get("given", ())
    whole = [name.get("family"), *(given if isinstance(given, list) else ()), name.get("text")]
    for text in whole:
        if isinstance(text, str):
            yield text
            yield from (part for part in re.findall(r"[^\W_]+", text) if len(part) > 2)


def _lines(address: Mapping[str, Any]) -> Iterator[str]:
    lines = address.get("line", ())
    named = [address.get(part) for part in ("city", "district", "postalCode", "text")]
    yield from (
        text for text in [*(lines if isinstance(lines, list) else ()), *named] if isinstance(text, str)
    )
    if isinstance(code := address.get("postalCode"), str) and "-" in code:
        yield code.partition("-")[0]


def _numbers(text: str) -> Iterator[str]:
    """As written, and without the country's code."""
    yield text
    digits = re.sub(r"\D", "", text)
    if "@" not in text and len(digits) > 10:
        yield digits[-10:]
    elif "@" not in text and len(digits) >= PHONE_DIGITS:
        yield digits


def _days(text: str) -> Iterator[str]:
    """A day in the ways in which people write it."""
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return
    yield day.isoformat()
    for d in {str(day.day), f"{day.day:02}"}:
        yield from (f"{d} {month} {day.year}" for month in MONTHS[day.month - 1])
        yield from (f"{month} {d} {day.year}" for month in MONTHS[day.month - 1])
        for m in {str(day.month), f"{day.month:02}"}:
            yield from (f"{m}/{d}/{day.year}", f"{d}/{m}/{day.year}")
    yield f"{day:%Y%m%d}"

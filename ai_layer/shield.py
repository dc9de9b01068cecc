"""Shield: what goes out to a language model, without what tells whose record it is; and its words back with the true dates. Pure.

Elements keep the members of minimum.json only; free text is scrubbed of the patient's own names, addresses and numbers, and of what looks
like such. Dates are kept, or moved by the patient's own secret number of days. https://www.ecfr.gov/current/title-45/section-164.514
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from ai_layer.evidence import Evidence
from ai_layer.minimum import minimum
from ai_layer.phrases import MONTHS
from fhir_server.deidentify.days import is_date, moved
from fhir_server.deidentify.known import DAY, Known
from fhir_server.deidentify.text import scrub

Json = dict[str, Any]
_MONTH = "|".join(name for names in MONTHS.values() for name in names)
_DAYS = re.compile(
    rf"\b(?P<d1>\d{{1,2}})(?P<of>(?:st|nd|rd|th|er)? )(?P<m1>{_MONTH})(?P<c1>,?) (?P<y1>\d{{4}})\b"
    rf"|\b(?P<m2>{_MONTH}) (?P<d2>\d{{1,2}})(?P<c2>(?:st|nd|rd|th)?,?) (?P<y2>\d{{4}})\b"
    r"|\b(?P<y3>\d{4})-(?P<m3>\d\d)-(?P<d3>\d\d)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Shield:
    """`known`: how this patient is called; `days`: what is added to each date, 0 where dates are kept."""

    known: Known
    days: int = 0

    def evidence(self, item: Evidence) -> Evidence:
        """The evidence as a model gets it."""
        kept = {name: self._inside(value, name) for name, value in item.elements.items()}
        return replace(item, elements={name: value for name, value in kept.items() if value not in ({}, [])})

    def text(self, text: str) -> str:
        """A sentence or a question as a model gets it: dates moved, the rest scrubbed."""
        parts, end = [], 0
        for match in _DAYS.finditer(text):
            parts += [scrub(text[end : match.start()], self.known), self._day(match)]
            end = match.end()
        return "".join([*parts, scrub(text[end:], self.known)])

    def back(self, text: str) -> str:
        """A model's sentence with the true dates."""
        return _DAYS.sub(lambda match: _later(match, -self.days), text) if self.days else text

    def _day(self, match: re.Match[str]) -> str:
        if scrub(match.group(), self._births) != match.group():
            return f"[{DAY}]"
        return _later(match, self.days)

    @property
    def _births(self) -> Known:
        return Known(tuple(row for row in self.known.patterns if row[0] == DAY))

    def _inside(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {n: kept for n, kept in self._members(value) if kept not in ({}, [])}
        if isinstance(value, list):
            return [kept for each in value if (kept := self._inside(each, name)) not in ({}, [])]
        return self._string(value, name) if isinstance(value, str) else value

    def _members(self, element: Json) -> Iterator[tuple[str, Any]]:
        for name in element.keys() & minimum().inside:
            yield name, self._inside(element[name], name)

    def _string(self, text: str, name: str) -> str:
        if is_date(text) and name not in ("code", "text", "display"):
            if scrub(text[:10], self._births) != text[:10]:
                return text[:4]
            return moved(text, self.days) if self.days else text
        return self.text(text)


def _later(match: re.Match[str], days: int) -> str:
    """The date of a text so many days later, in the form that it has; what is no date stays as it is."""
    part = match.groupdict()
    year, day = (
        int(next(part[k] for k in keys if part[k])) for keys in (("y1", "y2", "y3"), ("d1", "d2", "d3"))
    )
    named = part["m1"] or part["m2"]
    language = next(
        (code for code, names in MONTHS.items() if named and named.lower() in map(str.lower, names)), "en"
    )
    month = int(part["m3"]) if not named else [n.lower() for n in MONTHS[language]].index(named.lower()) + 1
    try:
        found = date(year, month, day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return match.group()
    return _FORMS["y3" if part["y3"] else "m2" if part["m2"] else "m1"](found, MONTHS[language], part)


_FORMS: dict[str, Callable[[date, list[str], dict[str, str | None]], str]] = {
    "y3": lambda found, months, part: found.isoformat(),
    "m1": lambda found, months, part: f"{found.day} {months[found.month - 1]}{part['c1']} {found.year}",
    "m2": lambda found, months, part: f"{months[found.month - 1]} {found.day}, {found.year}",
}

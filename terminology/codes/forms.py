"""Systems whose codes are told by their form, and cannot be listed: UCUM, languages, MIME types.

https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from terminology.codes import shipped
from terminology.codes.concept import CannotTell, Concept, Filter
from terminology.coding import UCUM
from terminology.ucum import is_unit

LANGUAGES, MIME_TYPES = "urn:ietf:bcp:47", "urn:ietf:bcp:13"
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*(?:-[a-wyz\d](?:-[a-z\d]{2,8})+)*(?:-x(?:-[a-z\d]{1,8})+)?",
    re.IGNORECASE,
).fullmatch
"""The langtag of https://www.rfc-editor.org/rfc/rfc5646#section-2.1"""
_TOKEN = r"[!#$&^_.+\-A-Za-z0-9]{1,127}"
_MIME_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|\"[^\"]*\"))*").fullmatch
"""https://www.rfc-editor.org/rfc/rfc6838#section-4.2"""
LONGEST = 300
"""Letters of a code that is looked at."""


def _is_ucum(code: str) -> bool:
    """Units that we can convert, and the few that R4 lists besides (decibel, neper)."""
    return is_unit(code) or code in _common_units()


@cache
def _common_units() -> frozenset[str]:
    found = shipped.value_set("http://hl7.org/fhir/ValueSet/ucum-common") or {}
    parts = found.get("compose", {}).get("include", ())
    return frozenset(concept["code"] for part in parts for concept in part.get("concept", ()))


@dataclass(frozen=True, slots=True)
class FormSystem:
    """A System without a list."""

    url: str
    name: str
    is_code: Callable[[str], object]
    version: str = ""
    content: str = "complete"
    note: str = ""
    date: str = ""
    is_listable: bool = False

    def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        """See System."""
        return {code: Concept(code, code) for code in codes if len(code) <= LONGEST and self.is_code(code)}

    def select(self, filters: Sequence[Filter], only: str | None, at_most: int) -> list[Concept]:
        """See System."""
        if filters:
            raise CannotTell("not-supported", f"{self.url} has a grammar: no filter over it is carried out.")
        if only is None:
            raise CannotTell("too-costly", f"The codes of {self.url} have a grammar and no end.")
        return list(self.find([only]).values())

    def above(self, code: str) -> list[str]:
        """See System."""
        return []

    def children(self, code: str) -> list[str]:
        """See System."""
        return []


SYSTEMS = {
    system.url: system
    for system in (
        FormSystem(UCUM, "Unified Code for Units of Measure (UCUM)", _is_ucum),
        FormSystem(LANGUAGES, "Tags for Identifying Languages (BCP 47)", _LANGUAGE),
        FormSystem(MIME_TYPES, "Media Types (BCP 13)", _MIME_TYPE),
    )
}

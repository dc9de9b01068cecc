"""What in a resource tells who somebody is, looked for by the shapes of FHIR's datatypes, and by nothing of the code under test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def telling(element: Any, inside: str = "") -> Iterator[str]:
    """Names, identifiers, birth dates, address lines, phones, mail addresses."""
    if isinstance(element, list):
        for each in element:
            yield from telling(each, inside)
    elif isinstance(element, dict):
        if "family" in element or "given" in element:
            yield from (part for part in [element.get("family"), *element.get("given", ())] if part)
        if inside == "identifier" or inside.endswith("Identifier"):
            yield str(element.get("value", ""))
        if inside == "telecom":
            yield str(element.get("value", ""))
        if inside == "address":
            yield from [*element.get("line", ()), element.get("city", ""), element.get("postalCode", "")]
        yield str(element.get("birthDate", ""))
        for name, value in element.items():
            yield from telling(value, name)


def strings(element: Any) -> Iterator[str]:
    """Every text of a resource, but for what R4 itself says: types, urls and references, which are looked at as a whole."""
    if isinstance(element, list):
        for each in element:
            yield from strings(each)
    elif isinstance(element, dict):
        for value in element.values():
            yield from strings(value)
    elif isinstance(element, str):
        yield element


def words(texts: Iterator[str]) -> set[str]:
    """The words and the whole of each text, in lower case."""
    found = set()
    for text in texts:
        found |= {text.lower(), *re.findall(r"[^\W_]+", text.lower())}
    return found

"""Required bindings: which codes a code, Coding or CodeableConcept may hold.

https://hl7.org/fhir/R4/terminologies.html#required
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.r4.definitions import Element, codes, value_set
from fhir_server.r4.faults import Check, Faults, fault, named

_SHOWN = 20
_CURRENCIES = "http://hl7.org/fhir/ValueSet/currencies"
_CURRENCY = re.compile("[A-Z]{3}").fullmatch


def bound(element: Element, plain: Check) -> Check:
    """`plain` and the binding; `plain` alone where there is none, or its codes can be neither listed nor told by their form."""
    if element.binding is None or element.binding[0] != "required":
        return plain
    url = element.binding[1]
    if url == _CURRENCIES:
        return _currency
    listed = codes(url)
    if listed is None:
        return plain
    if element.type == "CodeableConcept":
        return _concept(url, listed, plain)
    return _code(url, listed)


def _code(url: str, listed: frozenset[str]) -> Check:
    text = _allowed(url, listed)

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is not str:
            return fault("structure", f"A code is a JSON string; this is {named(value)}.")
        return None if value in listed else fault("code-invalid", text)

    return check


def _currency(value: Any, parent: dict[str, Any]) -> Faults:
    """ISO 4217 adds and withdraws codes every few years, so only their form is asked for."""
    if type(value) is not str:
        return fault("structure", f"A code is a JSON string; this is {named(value)}.")
    return (
        None if _CURRENCY(value) else fault("code-invalid", "A currency is three capital letters (ISO 4217).")
    )


def _concept(url: str, listed: frozenset[str], plain: Check) -> Check:
    pairs = frozenset((system, code) for system, found in (value_set(url) or {}).items() for code in found)
    text = _allowed(url, listed)

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if found := plain(value, parent):
            return found
        codings = value.get("coding", ())
        if any((coding.get("system"), coding.get("code")) in pairs for coding in codings) or _is_excused(
            value
        ):
            return None
        return fault("code-invalid", text)

    return check


def _is_excused(concept: dict[str, Any]) -> bool:
    """An extension may say why there is no code. https://hl7.org/fhir/R4/extension-data-absent-reason.html"""
    return "coding" not in concept and "extension" in concept


def _allowed(url: str, listed: frozenset[str]) -> str:
    if len(listed) > _SHOWN:
        return f"The code is not in the value set {url}."
    return f"The code is not in the value set {url}: {', '.join(sorted(listed))}."

"""An expression constraint of SNOMED CT with one operator and one concept, as a filter; of others it is said that they are not carried out.

https://docs.snomed.org/snomed-ct-specifications/snomed-ct-expression-constraint-language
"""

from __future__ import annotations

import re

from terminology.codes.concept import CannotTell, Filter

_SIMPLE = re.compile(r"\s*(<<|<!|<|>>|\^)?\s*(\d{6,18})\s*(?:\|[^|]*\|)?\s*")
_OPERATORS = {
    "<<": ("concept", "is-a"),
    "<": ("concept", "descendent-of"),
    "<!": ("parent", "="),
    ">>": ("concept", "generalizes"),
    "^": ("concept", "in"),
    None: ("code", "="),
}


def filter_of(text: str) -> Filter | None:
    """The filter that means the same; None for `*`, which any concept meets. Raises CannotTell."""
    if text.strip() == "*":
        return None
    found = _SIMPLE.fullmatch(text)
    if found is None:
        known = ", ".join(operator for operator in _OPERATORS if operator)
        raise CannotTell(
            "not-supported",
            f"Of expression constraints only one concept with one of {known} before it is carried out, or *.",
        )
    return Filter(*_OPERATORS[found[1]], found[2])

"""References inside a resource: one walk that rewrites them in place.

A reference stands in `Reference.reference`; a `urn:uuid:` may also be the value of any uri or canonical element, which a transaction
rewrites too. https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rewrite = Callable[[str], str]

# Members that are text, however much they look like a urn.
_TEXT = frozenset(["div", "display", "text", "value", "description", "valueString", "data"])


def rewrite(resource: dict[str, Any], target: Rewrite, urn: Rewrite | None = None) -> None:
    """Put `target(text)` in the place of every reference, and `urn(text)` in that of any other urn:uuid: (or urn:oid:) value."""
    stack: list[Any] = [resource]
    while stack:
        node = stack.pop()
        for key, value in node.items() if type(node) is dict else enumerate(node):
            kind = type(value)
            if kind is dict or kind is list:
                stack.append(value)
            elif kind is str:
                if key == "reference":
                    node[key] = target(value)
                elif urn is not None and value[:4] == "urn:" and key not in _TEXT:
                    node[key] = urn(value)


def references(resource: dict[str, Any]) -> list[str]:
    """Every `reference` in the resource."""
    found: list[str] = []
    rewrite(resource, lambda text: found.append(text) or text)  # type: ignore[func-returns-value]
    return found

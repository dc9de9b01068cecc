"""The walk over everything in a resource that points somewhere: it changes nothing in place and copies only what changes.

Pointing are Reference.reference, the url of an Attachment that is a Binary, and links and images in the narrative.
Canonical URLs and identifiers are names, not pointers, and stay. https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Resolve = Callable[[str], str]
Node = TypeVar("Node")

_BINARY = re.compile(r"(?:.*/)?Binary/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_LINK = re.compile(r"""((?:href|src)\s*=\s*["'])([^"'#][^"']*)""")


def rewrite(node: Node, resolve: Resolve) -> Node:
    """The node with each pointer replaced by what `resolve` says; the node itself where nothing changed."""
    if isinstance(node, dict):
        return _object(node, resolve)  # type: ignore[return-value]
    return _array(node, resolve) if isinstance(node, list) else node  # type: ignore[return-value]


def references(node: object) -> Iterator[str]:
    """Each Reference.reference in the node, in document order."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "reference" and isinstance(value, str):
                yield value
            elif isinstance(value, dict | list):
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def _object(node: dict[str, Any], resolve: Resolve) -> dict[str, Any]:
    copy = None
    for key, old in node.items():
        kind = type(old)
        if kind is dict:
            new: Any = _object(old, resolve)
        elif kind is list:
            new = _array(old, resolve)
        elif kind is str and key in _POINTING:
            new = _POINTING[key](old, resolve)
        else:
            continue
        if new is not old:
            copy = copy or {**node}
            copy[key] = new
    return copy or node


def _array(node: list[Any], resolve: Resolve) -> list[Any]:
    copy = None
    for i, old in enumerate(node):
        new = rewrite(old, resolve)
        if new is not old:
            copy = copy or [*node]
            copy[i] = new
    return copy or node


def _attachment(url: str, resolve: Resolve) -> str:
    return resolve(url) if "Binary/" in url and _BINARY.fullmatch(url) else url


def _narrative(div: str, resolve: Resolve) -> str:
    if "href" not in div and "src" not in div:
        return div
    return _LINK.sub(lambda found: found[1] + resolve(found[2]), div)


_POINTING: dict[str, Callable[[str, Resolve], str]] = {
    "reference": lambda reference, resolve: resolve(reference),
    "url": _attachment,
    "div": _narrative,
}

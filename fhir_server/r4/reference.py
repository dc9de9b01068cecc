"""References: what a literal one says, and every place of a resource where one stands.

https://hl7.org/fhir/R4/references.html#literal; transactions rewrite them: https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fhir_server.r4.definitions import TYPE_CODE

Rewrite = Callable[[str], str]

_ID = r"[A-Za-z0-9\-.]{1,64}"
_LOCAL = rf"(?P<type>[A-Za-z]+)/(?P<id>{_ID})(?:/_history/(?P<version>{_ID}))?"
RELATIVE = re.compile(rf"(?:{_LOCAL}|(?P<asked>[A-Za-z]+)\?\S+)").fullmatch
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
_AT_THE_END = re.compile(rf"/{_LOCAL}\Z").search

_MEMBERS = frozenset("id extension reference type identifier display _reference _type _display".split())  # noqa: SIM905
"""Those of a Reference: Expression, DetectedIssue and Immunization.education have a uri that is named `reference` too."""

_TEXT = frozenset(["div", "display", "text", "value", "description", "valueString", "data"])
"""Members that are text, however much they look like a urn."""


class Kind(Enum):
    """Where a reference leads."""

    LOCAL = "a resource of this server"
    ABSOLUTE = "an address elsewhere"
    URN = "an entry of the same Bundle, by its fullUrl"
    CONTAINED = "a resource inside this one, or (`#` alone) the one around it"
    CONDITIONAL = "the one resource that a search finds"


@dataclass(frozen=True, slots=True)
class Reference:
    """A literal reference. `url` is the text without its fragment; type and id are empty where the text does not say them."""

    kind: Kind
    url: str
    type: str = ""
    id: str = ""
    version: str = ""
    fragment: str = ""


def parse(text: str, base: str = "") -> Reference:
    """Absolute URLs under `base` (no slash at its end) are local. Raises ValueError where the text has no form of a reference."""
    url, _, fragment = text.partition("#")
    if not url and text:
        return Reference(Kind.CONTAINED, "", fragment=fragment)
    own = url.removeprefix(f"{base}/") if base else url
    if (match := RELATIVE(own)) and (found := _relative(match, url, own, fragment)):
        return found
    if not ABSOLUTE(url):
        raise ValueError("not a reference")
    if url[:4] == "urn:":
        return Reference(Kind.URN, url, fragment=fragment)
    kind, logical_id, version = _named(_AT_THE_END(url))
    return Reference(Kind.ABSOLUTE, url, kind, logical_id, version, fragment)


def _relative(match: re.Match[str], url: str, own: str, fragment: str) -> Reference | None:
    if match["asked"] in TYPE_CODE and own == url:
        return Reference(Kind.CONDITIONAL, url, match["asked"])
    kind, logical_id, version = _named(match)
    return Reference(Kind.LOCAL, url, kind, logical_id, version, fragment) if kind else None


def _named(match: re.Match[str] | None) -> tuple[str, str, str]:
    """Type, id and version, of a type that R4 has."""
    if match is None or match["type"] not in TYPE_CODE:
        return "", "", ""
    return match["type"], match["id"], match["version"] or ""


Place = tuple[Any, Any, str, bool]
"""(holder, name, text, is reference): `holder[name]` is the text. No reference: a uri or canonical that holds a urn."""


def walk(resource: dict[str, Any]) -> Iterator[Place]:
    """Every Reference.reference, and every other urn:uuid: or urn:oid: that is no text. A holder may be changed on the way."""
    stack = [resource]
    while stack:
        node = stack.pop()
        for name, value in node.items():
            kind = type(value)
            if kind is str:
                if name == "reference" and (len(node) == 1 or node.keys() <= _MEMBERS):
                    yield node, name, value, True
                elif value[:4] == "urn:" and name not in _TEXT:
                    yield node, name, value, False
            elif kind is dict:
                stack.append(value)
            elif kind is list:
                for at, item in enumerate(value):
                    if type(item) is dict:
                        stack.append(item)
                    elif type(item) is str and item[:4] == "urn:" and name not in _TEXT:
                        yield value, at, item, False


def rewrite(resource: dict[str, Any], target: Rewrite, urn: Rewrite | None = None) -> None:
    """Put `target(text)` in the place of every reference, and `urn(text)` in that of any other urn:uuid: (or urn:oid:) value."""
    for holder, name, text, is_reference in walk(resource):
        if is_reference:
            holder[name] = target(text)
        elif urn is not None:
            holder[name] = urn(text)


def references(resource: dict[str, Any]) -> list[str]:
    """The text of every reference in the resource."""
    return [text for _, _, text, is_reference in walk(resource) if is_reference]


def place_of(node: Any, text: str) -> str:
    """FHIRPath of the first reference with this text (`subject.reference`), or nothing."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        step = f".{key}" if isinstance(key, str) else f"[{key}]"
        if key == "reference" and value == text:
            return step.removeprefix(".")
        inner = place_of(value, text)
        if inner:
            return f"{step}.{inner}".removeprefix(".").replace(".[", "[")
    return ""


def local_references(resource: dict[str, Any]) -> set[tuple[str, str]]:
    """Type and id of what its relative references name."""
    found = (_known(text) for text in references(resource))
    return {(each.type, each.id) for each in found if each and each.kind is Kind.LOCAL}


def _known(text: str) -> Reference | None:
    try:
        return parse(text)
    except ValueError:
        return None

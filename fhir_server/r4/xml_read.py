"""XML as a resource: the same dict that the JSON of it would be. Decimals keep their digits, the narrative its text.

https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE, Element, elements
from fhir_server.r4.narrative import XHTML, divs, serialized
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.primitives import INTEGERS, PRIMITIVES

_FHIR = "{http://hl7.org/fhir}"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII).fullmatch
_PARSER_OPTIONS = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_pis": True,
}


def from_xml(body: bytes) -> dict[str, Any]:
    """Parse. At most 256 levels and 10 MB a value, no DTD. Raises Problem.NOT_JSON (not XML), Problem.INVALID (not R4, with its place)."""
    try:
        root = etree.fromstring(body, etree.XMLParser(remove_comments=True, **_PARSER_OPTIONS))
    except (etree.XMLSyntaxError, ValueError) as error:
        position = getattr(error, "position", None)
        where = f" (line {position[0]}, column {position[1]})" if position else ""
        raise FhirError(Problem.NOT_JSON, f"The body is not well-formed XML{where}.") from None
    if root.getroottree().docinfo.doctype:
        raise FhirError(
            Problem.NOT_JSON, "The XML declares a document type (DTD), which FHIR does not allow."
        )
    return _Reader(divs(_decoded(body, root))).resource(root, "")


def _decoded(body: bytes, root: Any) -> str:
    """The document as text; nothing where Python does not know its encoding (narratives are then written anew)."""
    try:
        return bytes(body).decode(root.getroottree().docinfo.encoding or "utf-8", "replace")
    except LookupError:
        return ""


class _Reader:
    """One document; `divs` are the narratives' own texts in the order in which they stand."""

    def __init__(self, divs: Iterator[str]) -> None:
        self.divs = divs

    def resource(self, node: Any, place: str) -> dict[str, Any]:
        """A resource's element."""
        kind = _name(node, place or "Resource")
        if kind not in TYPE_CODE:
            raise _invalid("The element is no resource type of R4", place)
        found: dict[str, Any] = {"resourceType": kind}
        self._children(node, kind, found, place or kind, frozenset())
        return found

    def _children(
        self, node: Any, path: str, found: dict[str, Any], place: str, attributes: frozenset[str]
    ) -> None:
        known = elements(path)
        _check_attributes(node, attributes, place)
        counts: dict[str, int] = {}
        for child in node:
            name = "div" if child.tag == XHTML + "div" else _name(child, place)
            element = known.get(name)
            if element is None or name in attributes:
                raise _invalid(f"{path} has no element {name}", f"{place}.{name}")
            at = counts[name] = counts.get(name, -1) + 1
            if at and not element.is_list:
                raise _invalid(f"{path}.{name} does not repeat", f"{place}.{name}")
            here = f"{place}.{element.choice or name}" + (f"[{at}]" if element.is_list else "")
            self._member(child, element, found, at, here)

    def _member(self, node: Any, element: Element, found: dict[str, Any], at: int, place: str) -> None:
        if element.type == "xhtml":
            found[element.name] = serialized(node, next(self.divs, ""))
        elif element.type in PRIMITIVES:
            _put_primitive(found, element, at, _value(node, element.type, place), self._twin(node, place))
        elif element.type == "Resource":
            _put(found, element, self._wrapped(node, place))
        else:
            _put(found, element, self._object(node, element.path, place))

    def _wrapped(self, node: Any, place: str) -> dict[str, Any]:
        _check_attributes(node, frozenset(), place)
        if len(node) != 1:
            raise _invalid("There is one resource inside the element", place)
        return self.resource(node[0], place)

    def _object(self, node: Any, path: str, place: str) -> dict[str, Any]:
        names = frozenset(["id", "url"] if path == "Extension" else ["id"])
        found: dict[str, Any] = {
            name: node.get(name) for name in ("id", "url") if name in names and name in node.attrib
        }
        self._children(node, path, found, place, names)
        return found

    def _twin(self, node: Any, place: str) -> dict[str, Any] | None:
        found: dict[str, Any] = {"id": node.get("id")} if "id" in node.attrib else {}
        self._children(node, "Element", found, place, frozenset(["id", "value"]))
        return found or None


def _name(node: Any, place: str) -> str:
    if not isinstance(node.tag, str) or not node.tag.startswith(_FHIR):
        raise _invalid("The element is not in the namespace http://hl7.org/fhir", place)
    return str(node.tag[len(_FHIR) :])


def _check_attributes(node: Any, known: frozenset[str], place: str) -> None:
    """Attributes that R4 has not, and text between elements, are refused."""
    for name in node.attrib:
        if name not in known and not name.startswith(_XSI):
            raise _invalid("The element has an attribute that R4 does not know", place)
    if (node.text and node.text.strip()) or any(child.tail and child.tail.strip() for child in node):
        raise _invalid("There is text between the elements", place)


def _put(found: dict[str, Any], element: Element, value: Any) -> None:
    if element.is_list:
        found.setdefault(element.name, []).append(value)
    else:
        found[element.name] = value


def _put_primitive(found: dict[str, Any], element: Element, at: int, value: Any, twin: Any) -> None:
    for name, item in ((element.name, value), (f"_{element.name}", twin)):
        if not element.is_list:
            if item is not None:
                found[name] = item
        elif item is not None or name in found:
            found.setdefault(name, [None] * at).append(item)


def _value(node: Any, kind: str, place: str) -> Any:
    text = node.get("value")
    if text is None or kind not in _READ:
        return text
    try:
        return _READ[kind](text)
    except (KeyError, ValueError, InvalidOperation):
        raise _invalid(f"The value has not the form of a {kind}", place) from None


def _number(text: str) -> int | Decimal:
    if not _DECIMAL(text):
        raise ValueError("not a decimal")
    return json.number(text) if set(text) & set(".eE") else int(text)


_READ = {
    "boolean": {"true": True, "false": False}.__getitem__,
    "decimal": _number,
    **dict.fromkeys(INTEGERS, _number),
}


def _invalid(text: str, place: str) -> FhirError:
    return FhirError(Problem.INVALID, f"{text}.", place)

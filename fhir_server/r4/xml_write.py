"""A resource as XML: elements in R4's order, values and ids as attributes, the narrative as it was written.

https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from typing import Any
from xml.sax.saxutils import quoteattr

from fhir_server.r4.definitions import TYPE_CODE, Element, elements
from fhir_server.r4.narrative import is_well_formed, with_namespace
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.r4.primitives import PRIMITIVES

FHIR = "http://hl7.org/fhir"
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML document may hold: https://www.w3.org/TR/xml/#charsets. An error may repeat them out of an address."""


def to_xml(resource: dict[str, Any]) -> bytes:
    """UTF-8 with a declaration. Raises Problem.INVALID with the place of what R4 does not know."""
    kind = str(resource.get("resourceType"))
    parts = _resource(resource, f' xmlns="{FHIR}"', kind if kind in TYPE_CODE else "Resource")
    return ('<?xml version="1.0" encoding="UTF-8"?>' + "".join(parts)).encode()


def _resource(resource: Any, namespace: str, place: str) -> Iterator[str]:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str) or kind not in TYPE_CODE:
        raise FhirError(Problem.INVALID, "resourceType names a resource type of R4.", place)
    yield f"<{kind}{namespace}>"
    yield from _members(resource, kind, {"resourceType"}, place)
    yield f"</{kind}>"


def _members(value: dict[str, Any], path: str, done: set[str], place: str) -> Iterator[str]:
    """The child elements; `done` are the members that are told otherwise."""
    known, order = elements(path), _order(path)
    names = {name.removeprefix("_") for name in value if name not in done}
    if not names <= known.keys():
        raise FhirError(Problem.INVALID, f"{path} has no such element.", place)
    for name in sorted(names, key=order.__getitem__):
        yield from _member(known[name], value.get(name), value.get(f"_{name}"), f"{place}.{name}")


@cache
def _order(path: str) -> dict[str, int]:
    return {name: at for at, name in enumerate(elements(path))}


def _member(element: Element, found: Any, twin: Any, place: str) -> Iterator[str]:
    if element.type == "Resource":
        for item in _many(found):
            yield f"<{element.name}>"
            yield from _resource(item, "", place)
            yield f"</{element.name}>"
    elif element.type == "xhtml":
        yield _narrative(found, place)
    elif element.type in PRIMITIVES:
        for item, own in zip_longest(_many(found), _many(twin)):
            yield from _element(element.name, own or {}, "Element", place, _attribute("value", item, place))
    else:
        for item in _many(found):
            yield from _element(element.name, item, element.path, place)


def _many(found: Any) -> list[Any]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _element(name: str, value: Any, path: str, place: str, attributes: str = "") -> Iterator[str]:
    if not isinstance(value, dict):
        raise FhirError(Problem.INVALID, f"{path} is an object.", place)
    attributes = _attribute("id", value.get("id"), place) + attributes
    if path == "Extension":
        attributes += _attribute("url", value.get("url"), place)
    inner = "".join(_members(value, path, {"id", "url"} if path == "Extension" else {"id"}, place))
    yield f"<{name}{attributes}>{inner}</{name}>" if inner else f"<{name}{attributes}/>"


def _attribute(name: str, value: Any, place: str) -> str:
    return "" if value is None else f" {name}={quoteattr(_text(value, place))}"


def _text(value: Any, place: str) -> str:
    if isinstance(value, str):
        return _NO_XML.sub("\ufffd", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal, float)):
        return str(value)
    raise FhirError(Problem.INVALID, "A value is a text, a number, true or false.", place)


def _narrative(text: Any, place: str) -> str:
    if not isinstance(text, str) or not is_well_formed(text):
        raise FhirError(Problem.INVALID, "A narrative is a well-formed XHTML div.", place)
    return with_namespace(text)

"""A resource made for a search parameter: R4's definitions say where the parameter's path leads, and what can stand there.

Reads the expressions with rules of its own, so that the index's reading of them is put to the test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fhir_server.r4.definitions import Element, elements

Json = dict[str, Any]
_AS = re.compile(r"\(?([\w.]+) as (\w+)\)?")
_WHERE = re.compile(r"where\((\w+)\s*=\s*'([^']*)'\)")
_EXTENSION = re.compile(r"extension\('([^']*)'\)")
_RESOLVED = re.compile(r"where\(resolve\(\) is (\w+)\)")
_STEP = re.compile(r"\w+\((?:[^()]|\([^()]*\))*\)|\w+")
SYSTEM, CODE, WORD, DAY = "http://example.org/s", "a-code", "Zwieback", "2021-03-04"
TOKENS: dict[str, Any] = {
    "CodeableConcept": {"coding": [{"system": SYSTEM, "code": CODE}]},
    "Coding": {"system": SYSTEM, "code": CODE},
    "Identifier": {"system": SYSTEM, "value": CODE},
    "ContactPoint": {"value": CODE},
    "boolean": True,
}
DATES: dict[str, Any] = {
    "dateTime": DAY,
    "date": DAY,
    "instant": f"{DAY}T12:00:00Z",
    "Period": {"start": DAY, "end": DAY},
    "Timing": {"event": [DAY]},
}
STRINGS: dict[str, Any] = {
    "HumanName": {"family": WORD},
    "Address": {"city": WORD},
    "CodeableConcept": {"text": WORD},
    "Annotation": {"text": WORD},
}
AMOUNT = {"value": 5, "system": "http://unitsofmeasure.org", "code": "mg"}
QUANTITIES: dict[str, Any] = {
    **dict.fromkeys(("Quantity", "SimpleQuantity", "Age", "Duration", "Count", "Distance"), AMOUNT),
    "Range": {"low": AMOUNT, "high": AMOUNT},
    "Money": {"value": 5, "currency": "EUR"},
    "SampledData": None,
}
ORDER = {
    "token": [*TOKENS, "code", "string", "uri", "id"],
    "date": [*DATES],
    "string": ["string", "markdown", *STRINGS],
    "quantity": [*QUANTITIES],
    "number": ["integer", "decimal", "positiveInt", "unsignedInt", "Range"],
    "reference": ["Reference", "canonical", "uri"],
    "uri": ["uri", "url", "canonical"],
}
"""Which type of a choice element is taken, where the expression leaves it open."""
ASKED = {
    "date": DAY,
    "string": WORD.lower(),
    "number": "5",
    "uri": "http://example.org/u",
}


class Unreachable(ValueError):
    """These rules cannot follow the expression; the text says why."""


@dataclass(slots=True)
class Made:
    """The resource, and the text that a search finds it by."""

    resource: Json
    asked: str


def fill(resource: Json, expression: str, kind: str, targets: tuple[str, ...] = ()) -> str:
    """Put a value where the expression leads; the text to search by. Raises Unreachable."""
    text = _AS.sub(r"\1.as(\2)", expression)
    if not text:
        raise Unreachable("R4 gives no expression")
    steps = _STEP.findall(text)
    if steps[0][:1].isupper():
        steps.pop(0)
    node: Any = resource
    path, element = str(resource["resourceType"]), None
    while steps:
        step = steps.pop(0)
        if step == "resource" and "%resource" in text:
            node, path = resource, str(resource["resourceType"])
            continue
        if found := _EXTENSION.fullmatch(step):
            return _extended(node, found[1], kind, targets)
        if not step.isidentifier():
            raise Unreachable(step)
        wanted = _type_of(steps.pop(0)) if steps and _is_type(steps[0]) else ""
        fixed = _WHERE.fullmatch(steps[0]) if steps else None
        resolved = _RESOLVED.fullmatch(steps[0]) if steps else None
        if fixed or resolved:
            steps.pop(0)
        if steps and steps[0] == "exists()":
            steps.pop(0)
        element = _member(path, step, wanted, kind, last=not steps)
        if not steps:
            value, asked = _leaf(element, kind, (resolved[1],) if resolved else targets)
            if fixed:
                value = {**value, fixed[1]: fixed[2]}
            _put(node, element, value)
            return asked
        node, path = _inside(node, element), element.path
        if fixed:
            node[fixed[1]] = fixed[2]
    raise Unreachable(expression)


def _extended(node: Json, url: str, kind: str, targets: tuple[str, ...]) -> str:
    """An extension with a value of the parameter's type."""
    element = _member("Extension", "value", "", kind, last=True)
    value, asked = _leaf(element, kind, targets)
    node["extension"] = [{"url": url, element.name: value}]
    return asked


def _type_of(step: str) -> str:
    """`DateTime` is how R4 writes some of its primitive types."""
    name = step[:-1].partition("(")[2]
    return {"DateTime": "dateTime"}.get(name, name)


def _is_type(step: str) -> bool:
    return step.startswith(("as(", "ofType("))


def _member(path: str, name: str, wanted: str, kind: str, *, last: bool) -> Element:
    members = elements(path)
    if name in members:
        return members[name]
    choices = [e for e in members.values() if e.choice == name and wanted in ("", e.type)]
    order = ORDER.get(kind, [])
    fitting = sorted(
        (e for e in choices if not last or e.type in order), key=lambda e: order.index(e.type) if last else 0
    )
    if not fitting:
        raise Unreachable(f"{path}.{name} has no type for {kind}")
    return fitting[0]


def _leaf(element: Element, kind: str, targets: tuple[str, ...]) -> tuple[Any, str]:
    return {"token": _token, "reference": _reference, "quantity": _quantity}.get(kind, _plain)(
        element, kind, targets
    )


def _plain(element: Element, kind: str, targets: tuple[str, ...]) -> tuple[Any, str]:
    if kind == "number":
        value: Any = {"low": {"value": 5}, "high": {"value": 5}} if element.type == "Range" else 5
    else:
        value = {"date": DATES, "string": STRINGS}.get(kind, {}).get(element.type)
    if (
        value is None
        and element.path[:1].isupper()
        and "." not in element.path
        and element.type in (*STRINGS, *QUANTITIES)
    ):
        raise Unreachable(f"{kind} of {element.type}")
    return (value if value is not None else {"string": WORD}.get(kind, ASKED[kind])), ASKED[kind]


def _token(element: Element, kind: str, targets: tuple[str, ...]) -> tuple[Any, str]:
    value = TOKENS.get(element.type, CODE)
    if value is True:
        return True, "true"
    has_system = isinstance(value, dict) and element.type != "ContactPoint"
    return value, f"{SYSTEM}|{CODE}" if has_system else CODE


def _reference(element: Element, kind: str, targets: tuple[str, ...]) -> tuple[Any, str]:
    allowed = [
        t for t in targets if not element.targets or t in element.targets or "Resource" in element.targets
    ]
    address = f"{(allowed or targets or ('Patient',))[0]}/t1"
    if element.type == "Reference":
        return {"reference": address}, address
    return f"http://example.org/{address}", f"http://example.org/{address}"


def _quantity(element: Element, kind: str, targets: tuple[str, ...]) -> tuple[Any, str]:
    value = QUANTITIES.get(element.type)
    if value is None:
        raise Unreachable(f"quantity of {element.type}")
    return value, "5"


def _inside(node: Json, element: Element) -> Json:
    """The object under the member: the one that is there, or a new one."""
    found = node.setdefault(element.name, [{}] if element.is_list else {})
    inner: Json = found[0] if isinstance(found, list) else found
    return inner


def _put(node: Json, element: Element, value: Any) -> None:
    node[element.name] = [value] if element.is_list else value

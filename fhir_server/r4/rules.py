"""The tables of R4 as checks: one closure a type, compiled when it is first asked for.

A check walks a JSON object once and returns None when all is well. https://hl7.org/fhir/R4/json.html and https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from threading import RLock
from typing import Any

from fhir_server.r4 import invariants
from fhir_server.r4.bindings import bound
from fhir_server.r4.contained import settle
from fhir_server.r4.definitions import TYPE_CODE, Element, elements
from fhir_server.r4.faults import MOST_ISSUES, Check, Fault, Faults, errors, fault, named, within
from fhir_server.r4.primitives import PRIMITIVES
from fhir_server.r4.targets import reference

_PLAIN_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII).fullmatch
_LOCK = RLock()
_OBJECTS: dict[str, Check] = {}
_READY: dict[str, Check] = {}


def check_of(path: str) -> Check:
    """The check of a resource type, datatype or backbone element. Raises KeyError for an unknown path."""
    ready = _READY.get(path)
    if ready is None:
        with _LOCK:
            ready = _READY[path] = _object(path)
    return ready


def resource(value: Any, parent: dict[str, Any]) -> Faults:
    """The check of a whole resource, by the type that it names."""
    if type(value) is not dict:
        return fault("structure", f"A resource is an object; this is {named(value)}.")
    kind = value.get("resourceType")
    if type(kind) is not str or kind not in TYPE_CODE:
        return fault("structure", "resourceType names a resource type of R4.", ".resourceType")
    found = check_of(kind)(value, parent)
    return settle(value, found) if found or "contained" in value else None


def _object(path: str) -> Check:
    """The check of the path, known to itself before its members are compiled: types hold each other."""
    if path not in _OBJECTS:
        rules: dict[str, Check] = {}
        _OBJECTS[path] = _walk(rules, _Frame(path))
        if path in TYPE_CODE:
            rules["resourceType"] = _fine
        for element in elements(path).values():
            rules |= _members(path, element)
    return _OBJECTS[path]


class _Frame:
    """What holds for an object as a whole: members that must be there, choices, invariants, places."""

    def __init__(self, path: str) -> None:
        found = elements(path).values()
        self.places = {prefix + e.name: f".{e.choice or e.name}" for e in found for prefix in ("", "_")}
        self.stems = {prefix + e.name: e.choice for e in found if e.choice for prefix in ("", "_")}
        self.required = frozenset(e.name for e in found if e.min and not e.choice)
        self.required_stems = frozenset(e.choice for e in found if e.min and e.choice)
        self.choices = frozenset(self.stems)
        self.invariants = invariants.compiled(path)
        self.path = path

    def judge(self, value: dict[str, Any], faults: Faults) -> Faults:
        """The faults of the members and of the whole."""
        if not self.required <= value.keys():
            faults = _plus(faults, self._missing(value))
        if self.choices:
            faults = self._chosen(value, faults)
        if faults is None or _is_sound(faults):
            for rule, broken in self.invariants:
                if not rule.holds(value):
                    faults = _plus(faults, [broken])
        return faults

    def _missing(self, value: dict[str, Any]) -> list[Fault]:
        names = sorted(name for name in self.required if name not in value and f"_{name}" not in value)
        return [Fault(f".{name}", "required", f"{self.path}.{name} is required.") for name in names]

    def _chosen(self, value: dict[str, Any], faults: Faults) -> Faults:
        found = value.keys() & self.choices
        if len(found) > 1:
            faults = _plus(faults, self._crowded(found))
        if self.required_stems:
            lacking = self.required_stems - {self.stems[name] for name in found}
            text = "is required, with its type behind the name"
            faults = _plus(
                faults, [Fault(f".{s}", "required", f"{self.path}.{s}[x] {text}.") for s in sorted(lacking)]
            )
        return faults

    def _crowded(self, found: set[str]) -> list[Fault]:
        stems: dict[str, set[str]] = {}
        for name in found:
            stems.setdefault(self.stems[name], set()).add(name.removeprefix("_"))
        text = "has one value of one type"
        return [
            Fault(f".{s}", "structure", f"{self.path}.{s}[x] {text}.")
            for s, names in sorted(stems.items())
            if len(names) > 1
        ]


def _walk(rules: Mapping[str, Check], frame: _Frame) -> Check:
    rule_of, places, judge = rules.get, frame.places, frame.judge

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is not dict:
            return fault("structure", f"{frame.path} is an object; this is {named(value)}.")
        if not value:
            return fault("structure", "An object is not empty; leave the element out instead.")
        faults: Faults = None
        left = MOST_ISSUES
        for name, item in value.items():
            rule = rule_of(name)
            found = _unknown(name, frame.path) if rule is None else rule(item, value)
            if found is not None:
                faults = _plus(faults, found if rule is None else within(places.get(name, f".{name}"), found))
                if (left := left - errors(found)) <= 0:
                    break
        return judge(value, faults)

    return check


def _is_sound(faults: list[Fault]) -> bool:
    """Whether the members were all walked and have their types, so that invariants can be asked."""
    return errors(faults) < MOST_ISSUES and all(
        found.local or found.severity == "warning" or found.key for found in faults
    )


def _plus(faults: Faults, more: list[Fault]) -> Faults:
    """The faults and more of them. Grows the list in place: a Bundle may have a fault in each of 100,000 entries."""
    if faults:
        faults.extend(more)
        return faults
    return more or None


def _unknown(name: str, path: str) -> list[Fault]:
    if not _PLAIN_NAME(name):
        return fault("structure", f"{path} has no such element.")
    return fault("structure", f"{path} has no element {name}.", f".{name}")


def _fine(value: Any, parent: dict[str, Any]) -> Faults:
    return None


def _members(path: str, element: Element) -> dict[str, Check]:
    """The check of a member, and of its `_` twin where it is a primitive."""
    if element.type == "Resource":
        return {element.name: _list(resource, element) if element.is_list else resource}
    if element.type not in PRIMITIVES:
        plain = bound(element, _object(element.path))
        if element.type == "Reference":
            plain = reference(element, plain)
        plain = invariants.guarded(path, element, plain)
        return {element.name: _list(plain, element) if element.is_list else plain}
    is_id = element.name == "id" and path in TYPE_CODE
    plain = bound(element, PRIMITIVES["id" if is_id else element.type])
    if element.is_list:
        return {
            element.name: _values(plain, element.name),
            f"_{element.name}": _twins(element.name, _object("Element")),
        }
    return {element.name: plain, f"_{element.name}": _object("Element")}


def _list(item: Check, element: Element) -> Check:
    most = element.max

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is not list:
            return fault("structure", f"{element.name} repeats: it is an array; this is {named(value)}.")
        if not value or (most and len(value) > most):
            return fault("structure", _size(most))
        faults: Faults = None
        left = MOST_ISSUES
        for at, found in enumerate(value):
            if (wrong := item(found, parent)) is not None:
                faults = _plus(faults, within(f"[{at}]", wrong))
                if (left := left - errors(wrong)) <= 0:
                    break
        return faults

    return check


def _size(most: int) -> str:
    return (
        f"An array has 1 to {most} items here."
        if most
        else "An array is not empty; leave the element out instead."
    )


def _values(item: Check, name: str) -> Check:
    """Values of a primitive; null stands where only the twin says something. https://hl7.org/fhir/R4/json.html#primitive"""

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is not list:
            return fault("structure", f"{name} repeats: it is an array; this is {named(value)}.")
        if not value:
            return fault("structure", _size(0))
        faults: Faults = None
        left = MOST_ISSUES
        for at, found in enumerate(value):
            wrong = item(found, parent) if found is not None else _alone(parent.get(f"_{name}"), at)
            if wrong is not None:
                faults = _plus(faults, within(f"[{at}]", wrong))
                if (left := left - errors(wrong)) <= 0:
                    break
        return faults

    return check


def _alone(twins: Any, at: int) -> Faults:
    if type(twins) is list and at < len(twins) and twins[at] is not None:
        return None
    return fault("structure", "null stands only where the array with the underscore has an id or extension.")


def _twins(name: str, item: Check) -> Check:
    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is not list:
            return fault("structure", f"_{name} is an array like {name}; this is {named(value)}.")
        values = parent.get(name)
        if not value or (type(values) is list and len(values) != len(value)):
            return fault("structure", f"_{name} has as many items as {name}.")
        faults: Faults = None
        left = MOST_ISSUES
        for at, found in enumerate(value):
            wrong = item(found, parent) if found is not None else _bare(values)
            if wrong is not None:
                faults = _plus(faults, within(f"[{at}]", wrong))
                if (left := left - errors(wrong)) <= 0:
                    break
        return faults

    return check


def _bare(values: Any) -> Faults:
    return (
        None
        if values
        else fault("structure", "null stands only where the array without the underscore has a value.")
    )

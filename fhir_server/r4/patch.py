"""Patches: a resource and a list of changes -> the changed resource. Pure.

JSON Patch is RFC 6902 (library jsonpatch); FHIRPath Patch is https://hl7.org/fhir/R4/fhirpatch.html, its paths evaluated here for
the plain forms (members, indexes, `where(a = 'b')`). JSON Merge Patch is RFC 7396: R4 does not name it, fhirpy and Aidbox speak it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch
import jsonpointer

from fhir_server.r4.definitions import Element, elements
from fhir_server.r4.fhirpath import ExpressionError, compile_expression
from fhir_server.r4.outcome import FhirError, Problem

Json = dict[str, Any]


def json_patch(resource: Json, change: list[Any]) -> Json:
    """RFC 6902, all operations or none. Raises INVALID naming the operation's kind of failure."""
    try:
        found = jsonpatch.JsonPatch(change).apply(copy.deepcopy(resource))
    except jsonpatch.JsonPatchTestFailed:
        raise FhirError(Problem.NOT_PROCESSABLE, "A `test` of the patch failed.") from None
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ):
        raise FhirError(
            Problem.NOT_PROCESSABLE, "The patch does not fit the resource, or is no JSON Patch."
        ) from None
    if not isinstance(found, dict):
        raise FhirError(Problem.NOT_PROCESSABLE, "The patch leaves no resource.")
    return found


@dataclass(frozen=True, slots=True)
class Merge:
    """A JSON Merge Patch: the members to change; null removes one. https://www.rfc-editor.org/rfc/rfc7396"""

    change: Json


def merge_patch(resource: Json, change: Json) -> Json:
    """Objects are merged member by member; anything else, a list too, takes the place of what was there."""
    merged = dict(resource)
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            merged[name] = merge_patch(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return merged


@dataclass(frozen=True, slots=True)
class _Operation:
    """The parts of one `operation` parameter."""

    type: str
    path: str
    name: str
    value: Any
    kind: str
    index: int
    source: int
    destination: int


def fhirpath_patch(resource: Json, parameters: Json) -> Json:
    """Apply each operation in order. Raises INVALID with its place."""
    changed = copy.deepcopy(resource)
    operations = parameters.get("parameter", [])
    if not isinstance(operations, list):
        raise FhirError(Problem.NOT_PROCESSABLE, "Expected a list of operations.", "Parameters.parameter")
    for number, parameter in enumerate(operations):
        place = f"Parameters.parameter[{number}]"
        try:
            _apply(changed, _operation(parameter))
        except ExpressionError:
            raise FhirError(
                Problem.NOT_PROCESSABLE, "The path uses more of FHIRPath than a patch may here.", place
            ) from None
        except FhirError as error:
            raise error.within(place) from None
    return changed


def _operation(parameter: Any) -> _Operation:
    given = parameter.get("part") if isinstance(parameter, dict) else None
    if not isinstance(given, list):
        raise FhirError(Problem.NOT_PROCESSABLE, "Expected a parameter `operation` with parts.")
    parts = {part.get("name"): part for part in given if isinstance(part, dict)}
    value = parts.get("value", {})
    kind, content = _typed(value)
    if content is None:
        content = _built(value["part"]) if isinstance(value.get("part"), list) else value.get("resource")
    return _Operation(
        type=_text(parts, "type"),
        path=_text(parts, "path"),
        name=_text(parts, "name"),
        value=content,
        kind=kind,
        index=_whole(parts, "index"),
        source=_whole(parts, "source"),
        destination=_whole(parts, "destination"),
    )


def _text(parts: Mapping[Any, Json], name: str) -> str:
    return str(_typed(parts.get(name, {}))[1] or "")


def _whole(parts: Mapping[Any, Json], name: str) -> int:
    value = _typed(parts.get(name, {}))[1] or 0
    if type(value) is not int:
        raise FhirError(Problem.NOT_PROCESSABLE, f"{name}: expected a whole number.")
    return value


def _typed(part: Json) -> tuple[str, Any]:
    """The value[x] of a part: `valueQuantity` -> Quantity and the value."""
    return next(((key[5:], value) for key, value in part.items() if key.startswith("value")), ("", None))


def _built(parts: list[Json]) -> Json:
    """A complex value whose type has no value[x], given part by part."""
    made: Json = {}
    for part in parts:
        found = _typed(part)[1]
        made[str(part.get("name"))] = found if found is not None else _built(part.get("part", []))
    return made


@dataclass(frozen=True, slots=True)
class _Place:
    """An element inside its parent: `holder[key]`, and which item of it where it is a list; `element`: as R4 defines it."""

    holder: Json
    key: str
    item: int | None
    element: Element | None

    @property
    def path(self) -> str:
        """Where its own members are defined."""
        return self.element.path if self.element else ""

    def get(self) -> Any:
        found = self.holder[self.key]
        return found if self.item is None else found[self.item]

    def put(self, value: Any) -> None:
        if self.item is None:
            self.holder[self.key] = value
        else:
            self.holder[self.key][self.item] = value

    def remove(self) -> None:
        if self.item is None:
            del self.holder[self.key]
        else:
            del self.holder[self.key][self.item]
            if not self.holder[self.key]:
                del self.holder[self.key]


_STEP = re.compile(r"^(?P<name>\w+)(?:\[(?P<index>\d+)\])?$")


def _places(resource: Json, path: str) -> list[_Place]:
    """The elements that the path names (the resource itself is none)."""
    holders: list[tuple[Any, str]] = [(resource, str(resource.get("resourceType")))]
    places: list[_Place] = []
    steps = _steps(path)
    if steps and steps[0] == resource.get("resourceType"):
        steps = steps[1:]
    for step in steps:
        places = _filtered(places, step) if "(" in step else [p for h in holders for p in _children(*h, step)]
        holders = [(place.get(), place.path) for place in places]
    return places


def _members(holder: Any, path: str) -> Mapping[str, Element]:
    """The elements that R4 gives the holder; none where it does not know it."""
    try:
        return elements(str(holder.get("resourceType", path)))
    except (KeyError, AttributeError):
        return {}


def _steps(path: str) -> list[str]:
    """Split at the dots that stand in no bracket or text."""
    return [s for s in re.findall(r"(?:[^.()']|\([^()]*(?:\([^()]*\)[^()]*)*\))+", path) if s]


def _children(holder: Any, path: str, step: str) -> list[_Place]:
    match = _STEP.match(step)
    if match is None:
        raise ExpressionError(step)
    if not isinstance(holder, dict):
        return []
    key = _spelled(holder, match["name"])
    found = holder.get(key)
    if found is None:
        return []
    element = _members(holder, path).get(key)
    items: list[int | None] = [*range(len(found))] if isinstance(found, list) else [None]
    every = [_Place(holder, key, item, element) for item in items]
    return every[int(match["index"]) :][:1] if match["index"] else every


def _spelled(holder: Json, name: str) -> str:
    """`value` may stand for `valueQuantity`."""
    if name in holder:
        return name
    return next((k for k in holder if k.startswith(name) and k[len(name) : len(name) + 1].isupper()), name)


def _filtered(places: list[_Place], step: str) -> list[_Place]:
    condition = compile_expression("$this." + step)
    return [place for place in places if condition.run(place.get())]


def _one(resource: Json, path: str) -> _Place:
    found = _places(resource, path)
    if len(found) != 1:
        raise FhirError(Problem.NOT_PROCESSABLE, f"The path names {len(found) or 'no'} elements, not one.")
    return found[0]


def _add(resource: Json, asked: _Operation) -> None:
    """Where R4 gives many of the element, the value is appended; else it takes its place."""
    places = _places(resource, asked.path)
    is_root = asked.path == resource.get("resourceType")
    if not is_root and len(places) != 1:
        raise FhirError(Problem.NOT_PROCESSABLE, "The path has to name one element to add to.")
    holder = resource if is_root else places[0].get()
    if not isinstance(holder, dict) or not asked.name:
        raise FhirError(Problem.NOT_PROCESSABLE, "An element of a complex type and a name are needed to add.")
    members = _members(holder, "" if is_root else places[0].path)
    name = _chosen(members, asked.name, asked.kind)
    element = members.get(name)
    if isinstance(holder.get(name), list):
        holder[name].append(_given(asked))
    else:
        holder[name] = [_given(asked)] if element and element.is_list else _given(asked)


def _chosen(members: Mapping[str, Element], name: str, kind: str) -> str:
    """`value` with a Quantity is `valueQuantity`."""
    return name + kind if any(element.choice == name for element in members.values()) else name


def _given(asked: _Operation) -> Any:
    if asked.value is None:
        raise FhirError(Problem.NOT_PROCESSABLE, f"{asked.type} needs a value.")
    return asked.value


def _list(resource: Json, path: str) -> list[Any]:
    """The list that the path names, made by itself."""
    places = _places(resource, path)
    if not places or places[0].item is None:
        raise FhirError(Problem.NOT_PROCESSABLE, "The path names no list.")
    found = places[0].holder[places[0].key]
    assert isinstance(found, list)
    return found


def _checked(index: int, found: list[Any], slack: int = 0) -> int:
    if not 0 <= index < len(found) + slack:
        raise FhirError(Problem.NOT_PROCESSABLE, "The index lies outside the list.")
    return index


def _insert(resource: Json, asked: _Operation) -> None:
    found = _list(resource, asked.path)
    found.insert(_checked(asked.index, found, 1), _given(asked))


def _delete(resource: Json, asked: _Operation) -> None:
    """An element that is not there is deleted already."""
    found = _places(resource, asked.path)
    if len(found) > 1:
        raise FhirError(Problem.NOT_PROCESSABLE, "The path names several elements; delete takes one.")
    for place in found:
        place.remove()


def _replace(resource: Json, asked: _Operation) -> None:
    """An element of several types may get another type, and with it another name."""
    place = _one(resource, asked.path)
    choice = place.element.choice if place.element else ""
    name = choice + asked.kind if choice and asked.kind else place.key
    if name == place.key:
        place.put(_given(asked))
        return
    place.remove()
    place.holder[name] = _given(asked)


def _move(resource: Json, asked: _Operation) -> None:
    found = _list(resource, asked.path)
    item = found.pop(_checked(asked.source, found))
    found.insert(_checked(asked.destination, found, 1), item)


_APPLY: dict[str, Callable[[Json, _Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _apply(resource: Json, asked: _Operation) -> None:
    act = _APPLY.get(asked.type)
    if act is None:
        raise FhirError(Problem.NOT_PROCESSABLE, f"type: expected one of {', '.join(_APPLY)}.")
    if not asked.path:
        raise FhirError(Problem.NOT_PROCESSABLE, "path: expected a FHIRPath of the resource.")
    act(resource, asked)

"""Patches: a resource and a list of changes -> the changed resource. Pure.

JSON Patch is RFC 6902 (library jsonpatch); FHIRPath Patch is https://hl7.org/fhir/R4/fhirpatch.html, its paths evaluated here for
the plain forms (members, indexes, `where(a = 'b')`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonpatch
import jsonpointer

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
class _Operation:
    """The parts of one `operation` parameter."""

    type: str
    path: str
    name: str
    value: Any
    index: int
    source: int
    destination: int


def fhirpath_patch(resource: Json, parameters: Json) -> Json:
    """Apply each operation in order. Raises INVALID with its place."""
    changed = copy.deepcopy(resource)
    for number, parameter in enumerate(parameters.get("parameter", [])):
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


def _operation(parameter: Json) -> _Operation:
    parts = {part.get("name"): part for part in parameter.get("part", []) if isinstance(part, dict)}
    value = parts.get("value", {})
    read = {
        key: next((v for k, v in parts.get(key, {}).items() if k.startswith("value")), None) for key in _PARTS
    }
    content = next((v for k, v in value.items() if k.startswith("value")), None)
    if content is None and "part" in value:
        content = _built(value["part"])
    return _Operation(
        str(read["type"]),
        str(read["path"] or ""),
        str(read["name"] or ""),
        content if content is not None else value.get("resource"),
        *(int(read[key] or 0) for key in ("index", "source", "destination")),
    )


_PARTS = ("type", "path", "name", "index", "source", "destination")


def _built(parts: list[Json]) -> Json:
    """A complex value whose type has no value[x], given part by part."""
    made: Json = {}
    for part in parts:
        found = next((v for k, v in part.items() if k.startswith("value")), None)
        made[str(part.get("name"))] = found if found is not None else _built(part.get("part", []))
    return made


@dataclass(frozen=True, slots=True)
class _Place:
    """An element inside its parent: `holder[key]`, and which item of it where it is a list."""

    holder: Json
    key: str
    item: int | None

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
    holders: list[Any] = [resource]
    places: list[_Place] = []
    steps = _steps(path)
    if steps and steps[0] == resource.get("resourceType"):
        steps = steps[1:]
    for step in steps:
        places = _filtered(places, step) if "(" in step else [p for h in holders for p in _children(h, step)]
        holders = [place.get() for place in places]
    return places


def _steps(path: str) -> list[str]:
    """Split at the dots that stand in no bracket or text."""
    return [s for s in re.findall(r"(?:[^.()']|\([^()]*(?:\([^()]*\)[^()]*)*\))+", path) if s]


def _children(holder: Any, step: str) -> list[_Place]:
    match = _STEP.match(step)
    if match is None:
        raise ExpressionError(step)
    if not isinstance(holder, dict):
        return []
    key = _spelled(holder, match["name"])
    found = holder.get(key)
    if found is None:
        return []
    every = (
        [_Place(holder, key, n) for n in range(len(found))]
        if isinstance(found, list)
        else [_Place(holder, key, None)]
    )
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
    """To a list it is appended; elements that are lists already decide, as do those that R4 gives many of."""
    from fhir_server.r4.definitions import elements

    places = _places(resource, asked.path)
    is_root = asked.path == resource.get("resourceType")
    if not is_root and len(places) != 1:
        raise FhirError(Problem.NOT_PROCESSABLE, "The path has to name one element to add to.")
    holder = resource if is_root else places[0].get()
    element = elements(str(resource["resourceType"])).get(asked.name) if is_root else None
    if isinstance(holder.get(asked.name), list):
        holder[asked.name].append(asked.value)
    elif element is not None and element.is_list:
        holder[asked.name] = [asked.value]
    else:
        holder[asked.name] = asked.value


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
    found.insert(_checked(asked.index, found, 1), asked.value)


def _delete(resource: Json, asked: _Operation) -> None:
    """An element that is not there is deleted already."""
    found = _places(resource, asked.path)
    if len(found) > 1:
        raise FhirError(Problem.NOT_PROCESSABLE, "The path names several elements; delete takes one.")
    for place in found:
        place.remove()


def _replace(resource: Json, asked: _Operation) -> None:
    _one(resource, asked.path).put(asked.value)


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
    act(resource, asked)

"""Extensions: each judged by its own definition, wherever it stands.

One that is not known is told, and harmless; an unknown modifierExtension is an error, for it may turn the meaning round.
https://hl7.org/fhir/R4/extensibility.html and https://hl7.org/fhir/R4/extensibility.html#modifierExtension
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.profiles.check import walk
from fhir_server.r4.profiles.item import Item, every_member
from fhir_server.r4.profiles.scope import Scope

Json = dict[str, Any]


def judge(resource: Item, scope: Scope) -> None:
    """All extensions of a resource, those of the resources inside it apart."""
    for extension, holder, paths in _extensions(resource, (resource.path,)):
        url = extension.value.get("url") if isinstance(extension.value, dict) else None
        if isinstance(url, str) and ":" in url:  # others are parts of a complex extension
            _judge(extension, url, holder, paths, scope)


def _extensions(holder: Item, paths: tuple[str, ...]) -> Iterator[tuple[Item, Item, tuple[str, ...]]]:
    """Each extension, what holds it, and the names of that element: its path and its type."""
    for element, item in every_member(holder):
        if element.type == "Extension":
            yield item, holder, paths
        if element.type != "Resource":
            name = f"{holder.path}.{element.choice + '[x]' if element.choice else element.name}"
            yield from _extensions(item, (name, item.type, item.path))


def _judge(item: Item, url: str, holder: Item, paths: tuple[str, ...], scope: Scope) -> None:
    is_modifier = ".modifierExtension[" in item.place[item.place.rfind(".") :]
    tree = scope.library.tree(url)
    if tree is None or tree.name != "Extension":
        _unknown(item, is_modifier, scope)
        return
    inner = replace(scope, profile=url)
    if bool(tree.is_modifier) != is_modifier:
        right = "a modifierExtension" if tree.is_modifier else "no modifierExtension"
        inner.say(item.place, "extension", f"This extension is {right}.", "Extension")
    elif not _is_in_place(scope.library.definition(url) or {}, holder, paths):
        inner.say(item.place, "extension", "This extension is not made for this place.", "Extension")
    walk(tree, item, inner)


def _unknown(item: Item, is_modifier: bool, scope: Scope) -> None:
    if is_modifier:
        text = "The extension is not known, and it may change the meaning of what it stands in."
        scope.say(item.place, "extension", text, "modifierExtension")
    else:
        scope.say(item.place, "extension", "The extension is not known.", "Extension", "information")


def _is_in_place(definition: Json, holder: Item, paths: tuple[str, ...]) -> bool:
    """Whether one of its contexts is the element that holds it. https://hl7.org/fhir/R4/defining-extensions.html#context"""
    contexts = definition.get("context")
    if not isinstance(contexts, list) or not contexts:
        return True
    return any(_is_context(found, holder, paths) for found in contexts if isinstance(found, dict))


def _is_context(context: Json, holder: Item, paths: tuple[str, ...]) -> bool:
    kind, text = context.get("type"), str(context.get("expression", ""))
    if kind == "extension":
        return isinstance(holder.value, dict) and holder.value.get("url") == text
    if kind != "element":
        return True  # an expression over the resource: not asked
    names = {name for path in paths for name in (path, path.removesuffix("[x]"))}
    if text in names or text.removesuffix("[x]") in names or text == "Element":
        return True
    if holder.path in TYPE_CODE:
        return text in ("Resource", "DomainResource")
    return text in ("BackboneElement",) if "." in holder.path else text.startswith("http")

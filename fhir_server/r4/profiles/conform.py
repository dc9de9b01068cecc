"""Whether a resource keeps the profiles that it claims, those that were asked for, and the definitions of its extensions.

Resources inside it (entries of a Bundle, contained ones) are judged by what they claim themselves.
https://hl7.org/fhir/R4/validation.html and https://hl7.org/fhir/R4/resource-definitions.html#Meta.profile
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from fhir_server.r4.faults import MOST_ISSUES
from fhir_server.r4.outcome import Issue
from fhir_server.r4.profiles import coded, extensions
from fhir_server.r4.profiles.binding import CodesOfSets, CompiledSets
from fhir_server.r4.profiles.check import walk
from fhir_server.r4.profiles.item import Item, every_member, root
from fhir_server.r4.profiles.library import Library
from fhir_server.r4.profiles.scope import Scope, Whole

Json = dict[str, Any]
_KNOWN_SETS = CompiledSets()


def conform(
    resource: Json,
    library: Library,
    asked: Iterable[str] = (),
    sets: CodesOfSets = _KNOWN_SETS,
) -> list[Issue]:
    """What is wrong, errors first; and what is not known."""
    scope = Scope(library, sets, resource, Whole(resource), is_thorough=True)
    top = root(resource)
    for url in asked:
        _against(top, url, "", scope, "error")
    for item in _resources(top):
        inner = scope if item is top else scope.of(item.value)
        for at, url in enumerate(claimed(item.value)):
            _against(item, url, f".meta.profile[{at}]", inner, "warning")
        extensions.judge(item, inner)
        coded.judge(item, inner)
    return _issues(scope, top.type)


def judged(resource: Json, url: str, library: Library, sets: CodesOfSets) -> list[Issue]:
    """What is wrong with the resource by this one profile, which is known."""
    scope = Scope(library, sets, resource, Whole(resource))
    top = root(resource)
    _against(top, url, "", scope, "error")
    return _issues(scope, top.type)


def claimed(resource: Json) -> list[str]:
    """The canonicals of meta.profile."""
    meta = resource.get("meta")
    found = meta.get("profile") if isinstance(meta, dict) else None
    return [url for url in found if isinstance(url, str)] if isinstance(found, list) else []


def _against(item: Item, url: str, place: str, scope: Scope, severity: str) -> None:
    tree = scope.library.tree(url)
    named = replace(scope, profile=url)
    if tree is None:
        text = "The profile is not known here, so it was not looked at."
        scope.say(item.place + place, "not-found", text, "profile", severity)
    elif tree.name not in (item.type, "Resource", "DomainResource"):
        named.say(item.place + place, "structure", f"The profile is one of {tree.name}.", "profile")
    else:
        walk(tree, item, named)


def _resources(top: Item) -> Iterator[Item]:
    """The resource and all that are inside it."""
    yield top
    for element, item in every_member(top):
        if element.type == "Resource":
            yield from _resources(item)
        elif element.name in ("entry", "parameter"):
            yield from _inside(item)


def _inside(holder: Item) -> Iterator[Item]:
    """Resources of a Bundle's entry, of a Parameters' parameter and its parts."""
    for element, item in every_member(holder):
        if element.type == "Resource":
            yield from _resources(item)
        elif element.name in ("part", "response"):
            yield from _inside(item)


def _issues(scope: Scope, kind: str) -> list[Issue]:
    found = list(dict.fromkeys(scope.faults))
    found.sort(key=lambda fault: _ORDER.get(fault.severity, 3))
    return [fault.as_issue(kind) for fault in found[:MOST_ISSUES]]


_ORDER = {"error": 0, "warning": 1, "information": 2}

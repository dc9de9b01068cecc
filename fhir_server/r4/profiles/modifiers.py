"""The modifierExtensions of a resource, found where R4 lets them stand: on resources and backbone elements.

One may turn round the meaning of what it stands in, so one that is not known is told when the resource is written.
https://hl7.org/fhir/R4/extensibility.html#modifierExtension
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from fhir_server.r4.definitions import elements
from fhir_server.r4.outcome import Issue
from fhir_server.r4.profiles.levels import Levels
from fhir_server.r4.profiles.library import Library

Json = dict[str, Any]
NAME = "modifierExtension"


def unknown_modifiers(resource: Json, library: Library, levels: Levels) -> list[Issue]:
    """An issue for each that the library does not know: an error where the level of its url is `reject`, none where it is `ignore`."""
    kind = str(resource["resourceType"])
    if not _has_one(resource, kind):
        return []
    return [
        Issue("extension", _TEXT, place, "error" if level == "reject" else "warning", NAME)
        for place, url in _found(resource, kind, kind)
        if (level := levels.of(url)) != "ignore" and not _is_known(url, library)
    ]


_TEXT = "The extension is not known, and it may change the meaning of what it stands in."


def _is_known(url: str, library: Library) -> bool:
    tree = library.tree(url)
    return tree is not None and tree.name == "Extension"


def _has_one(holder: Json, path: str) -> bool:
    """Of most resources no more is asked: some 2 us."""
    if NAME in holder:
        return True
    for name, inner in _below(path):
        if (value := holder.get(name)) is not None:
            for one in value if isinstance(value, list) else (value,):
                if _has_one(one, inner or one["resourceType"]):
                    return True
    return False


def _found(holder: Json, path: str, place: str) -> Iterator[tuple[str, str]]:
    """Place and url of each, in a resource that is valid R4."""
    for at, extension in enumerate(holder.get(NAME, ())):
        yield f"{place}.{NAME}[{at}]", str(extension["url"])
    for name, inner in _below(path):
        if (value := holder.get(name)) is not None:
            is_list = isinstance(value, list)
            for at, one in enumerate(value if is_list else (value,)):
                here = f"{place}.{name}[{at}]" if is_list else f"{place}.{name}"
                yield from _found(one, inner or str(one["resourceType"]), here)


@cache
def _below(path: str) -> tuple[tuple[str, str], ...]:
    """The members that may hold one (backbone elements, Timing, Dosage), and the resources in it (with no path of their own)."""
    found = elements(path).values()
    holders = [(e.name, e.path) for e in found if e.type != "Resource" and NAME in elements(e.path)]
    return (*holders, *((e.name, "") for e in found if e.type == "Resource"))

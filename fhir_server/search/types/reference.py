"""Search parameter type `reference`.

`id`, `Type/id`, an absolute URL or a canonical (with `|version`); `:Type` names the type of a bare id, `:identifier` asks for the
identifier that the reference carries. https://hl7.org/fhir/R4/search.html#reference
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.search.types import uri
from fhir_server.search.types.asked import Asked, unescape
from fhir_server.sql import FALSE, Fragment, any_of

Target = tuple[str, str]
Row = tuple[Target | None, str | None, str | None]
"""(type, id) of a local target (or INSIDE and the id), version, url of anything else."""

INSIDE = "#"
"""In place of a type: the target is contained in the same resource."""
LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?$")
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}$")


def rows(value: Any) -> Iterator[Row]:
    """A Reference, or a canonical or uri that points at a resource."""
    text = value.get("reference") if isinstance(value, dict) else value
    if not isinstance(text, str) or not text:
        return
    if text[0] == "#":
        yield (INSIDE, text[1:]), None, None
        return
    match = LOCAL.match(text)
    if match and match.group(1) in TYPE_CODE:
        yield (match.group(1), match.group(2)), match.group(3), None
        return
    url, bar, version = text.partition("|")
    yield None, version if bar else None, url[: uri.INDEXED_LETTERS]


def where(asked: Asked) -> Fragment:
    """By target, else by URL; `asked.types` are the types that a bare id can stand for."""
    text = unescape(asked.text)
    if not text:
        raise asked.refuse("a reference such as Patient/123")
    local = text[len(asked.base) + 1 :] if asked.base and text.startswith(asked.base + "/") else text
    if asked.modifier in ("above", "below"):
        return _hierarchy(asked, text)
    match = LOCAL.match(local)
    if match:
        return _literal(asked, match)
    if ID.match(local) and ":" not in local:
        return any_of(_target(asked, name, local) for name in asked.types) | _url(asked, local)
    return _url(asked, text) if not asked.narrowed or f"/{asked.narrowed}/" in text else FALSE


def _literal(asked: Asked, match: re.Match[str]) -> Fragment:
    if asked.modifier and asked.modifier != match.group(1):
        raise asked.refuse(f"a reference to {asked.modifier}")
    if asked.narrowed not in ("", match.group(1)):
        return FALSE
    found = _target(asked, match.group(1), match.group(2))
    if match.group(3):
        return found & Fragment(f"{asked.column('version')} = %s", (match.group(3),))
    return found


def _target(asked: Asked, resource_type: str, logical_id: str) -> Fragment:
    known = "(SELECT rid FROM resource WHERE type = %s AND id = %s)"
    return Fragment(f"{asked.column('target')} = {known}", (TYPE_CODE.get(resource_type, 0), logical_id))


def _url(asked: Asked, text: str) -> Fragment:
    url, bar, version = text.partition("|")
    same = uri.equal(asked.column("url"), url)
    return same & Fragment(f"{asked.column('version')} = %s", (version,)) if bar else same


def _hierarchy(asked: Asked, text: str) -> Fragment:
    """Of canonicals: what lies under the address, or, with a version, that version and its finer ones."""
    url, bar, version = text.partition("|")
    if bar and asked.modifier == "below":
        column = asked.column("version")
        finer = Fragment(f"({column} = %s OR starts_with({column}, %s))", (version, version + "."))
        return uri.equal(asked.column("url"), url) & finer
    return (uri.below if asked.modifier == "below" else uri.above)(asked.column("url"), url)


MODIFIERS = ("identifier", "above", "below")

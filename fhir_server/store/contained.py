"""Contained resources: index rows of their own, under a rid of their own, as long as their container has them.

https://hl7.org/fhir/R4/references.html#contained and https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.search.index import Indexer, IndexRows, leading
from fhir_server.search.parameters import CONTAINED
from fhir_server.search.types.reference import INSIDE
from fhir_server.store.identities import Identity, new_rids


@dataclass(slots=True)
class Part:
    """One contained resource; `rid` is given later."""

    type: str
    id: str
    rows: IndexRows
    rid: int = 0


def parts(resource: Mapping[str, Any] | None, indexer: Indexer) -> list[Part]:
    """What the resource contains, with its index rows; only what has an id can be referred to.

    Of a document or message its first resource counts as contained, so that `Bundle?composition.type` leads there.
    """
    if resource and resource["resourceType"] == "Bundle":
        first = leading(resource)
        return [Part(first["resourceType"], first["id"], indexer.rows(first))] if first else []
    inner = resource.get("contained") if resource else None
    return [Part(r["resourceType"], r["id"], indexer.rows(r)) for r in _usable(inner)] if inner else []


def _usable(inner: Any) -> Iterator[dict[str, Any]]:
    for resource in inner if isinstance(inner, list) else ():
        if (
            isinstance(resource, dict)
            and resource.get("resourceType") in TYPE_CODE
            and isinstance(resource.get("id"), str)
        ):
            yield resource


def give_rids(connection: Connection[Any], found: Iterable[Part]) -> None:
    """Fresh rids, in one statement; none where nothing is contained."""
    wanted = list(found)
    for part, rid in zip(wanted, new_rids(connection, [p.type for p in wanted]), strict=True):
        part.rid = rid | CONTAINED


def names(rid: int, found: list[Part], own: dict[Identity, int]) -> Mapping[Identity, int]:
    """`own`, and what `#id` means inside this container; a lone `#` is the container."""
    if not found:
        return own
    return ChainMap({(INSIDE, ""): rid, **{(INSIDE, p.id): p.rid for p in found}}, own)

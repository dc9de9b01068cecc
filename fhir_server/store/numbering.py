"""Index rows as the search package writes them (texts, type and id) -> rows as the tables hold them (numbers)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fhir_server.search.index import IndexRows
from fhir_server.search.types.composite import STORED
from fhir_server.search.types.reference import INSIDE
from fhir_server.search.types.token import IMPLIED, NO_SYSTEM
from fhir_server.store.identities import Identity

Tables = dict[str, list[tuple[Any, ...]]]
_COMPOSITE_TERMS = tuple(n for n, name in enumerate(STORED) if name.endswith(("_system", "_unit")))
_COMPOSITE_TARGETS = tuple(n for n, name in enumerate(STORED) if name.endswith("_target"))


def symbols(indexed: Iterable[IndexRows]) -> tuple[set[Identity], set[str]]:
    """The identities and the texts that need numbers."""
    identities: set[Identity] = set()
    texts: set[str | None] = set()
    for found in indexed:
        for _, system, _, display in found.get("token_index", ()):
            texts.add(system)
            texts.add(display)
        for _, target, _, _ in found.get("reference_index", ()):
            if target is not None and target[0] != INSIDE:
                identities.add(target)
        for row in found.get("quantity_index", ()):
            texts.update((row[1], row[3], row[8]))
        for row in found.get("composite_index", ()):
            texts.update(row[n + 1] for n in _COMPOSITE_TERMS)
            targets = [row[n + 1] for n in _COMPOSITE_TARGETS if row[n + 1] is not None]
            identities.update(target for target in targets if target[0] != INSIDE)
    return identities, {text for text in texts if text}


class _Numbers:
    """Where a row's numbers come from."""

    def __init__(
        self, texts: Mapping[str, int], targets: Mapping[Identity, int], own: Mapping[Identity, int]
    ) -> None:
        self.texts, self.targets, self.own = texts, targets, own

    def system(self, text: str | None) -> int:
        return IMPLIED if text is None else self.texts[text] if text else NO_SYSTEM

    def text(self, text: str | None) -> int | None:
        return self.texts[text] if text else None

    def target(self, identity: Identity | None) -> int | None:
        if identity is None:
            return None
        return self.own.get(identity) or (None if identity[0] == INSIDE else self.targets[identity])


def numbered(
    tables: Tables,
    rid: int,
    found: IndexRows,
    texts: Mapping[str, int],
    targets: Mapping[Identity, int],
    own: Mapping[Identity, int],
) -> None:
    """Append the resource's rows to the tables."""
    numbers = _Numbers(texts, targets, own)
    for table, rows in found.items():
        make = _MAKE[table]
        tables.setdefault(table, []).extend([make(rid, row, numbers) for row in rows])


def _token(rid: int, row: tuple[Any, ...], numbers: _Numbers) -> tuple[Any, ...]:
    param, system, code, display = row
    return rid, numbers.text(display), numbers.system(system), param, code


def _reference(rid: int, row: tuple[Any, ...], numbers: _Numbers) -> tuple[Any, ...]:
    param, target, version, url = row
    return rid, numbers.target(target), param, version, url


def _date(rid: int, row: tuple[Any, ...], numbers: _Numbers) -> tuple[Any, ...]:
    param, lo, hi = row
    return rid, lo, hi, param


def _plain(rid: int, row: tuple[Any, ...], numbers: _Numbers) -> tuple[Any, ...]:
    return rid, *row


def _quantity(rid: int, row: tuple[Any, ...], numbers: _Numbers) -> tuple[Any, ...]:
    param, system, code, unit, lo, hi, canonical_lo, canonical_hi, base = row
    return (
        rid,
        numbers.system(system),
        numbers.text(unit),
        numbers.text(base),
        param,
        code,
        lo,
        hi,
        canonical_lo,
        canonical_hi,
    )


def _composite(rid: int, row: tuple[Any, ...], numbers: _Numbers) -> tuple[Any, ...]:
    param, *values = row
    for n in _COMPOSITE_TERMS:
        values[n] = _component_term(STORED[n], values, n, numbers)
    for n in _COMPOSITE_TARGETS:
        values[n] = numbers.target(values[n])
    return rid, param, *values


def _component_term(name: str, values: list[Any], n: int, numbers: _Numbers) -> int | None:
    if name.endswith("_system"):
        has_code = values[STORED.index(name.replace("_system", "_code"))] is not None
        return numbers.system(values[n]) if has_code else None
    return numbers.text(values[n])


_MAKE: dict[str, Callable[[int, tuple[Any, ...], _Numbers], tuple[Any, ...]]] = {
    "token_index": _token,
    "reference_index": _reference,
    "date_index": _date,
    "string_index": _plain,
    "uri_index": _plain,
    "quantity_index": _quantity,
    "composite_index": _composite,
}

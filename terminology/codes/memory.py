"""A code system in memory: of a CodeSystem resource, or of rows.

A concept's parents are the concept that it stands in and those that its properties name (`parent`, `child`, `subsumedBy`).
https://hl7.org/fhir/R4/codesystem.html#hierarchy
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from terminology.codes.concept import CannotTell, Concept, Filter, Json
from terminology.codes.filters import passes

_INACTIVE = frozenset(["inactive", "retired", "withdrawn", "entered-in-error"])
_PARENTS = ("parent", "subsumedBy")


class MemorySystem:
    """A System whose concepts are all at hand, in their order."""

    def __init__(self, head: Json, concepts: Iterable[Concept]) -> None:
        self.url, self.version = str(head.get("url", "")), str(head.get("version", ""))
        self.name = str(head.get("title") or head.get("name") or self.url)
        self.content = str(head.get("content", "complete"))
        self.note = str(head.get("note", ""))
        self.head = head
        self.concepts = {concept.code: concept for concept in concepts}
        self.is_listable = True

    @property
    def date(self) -> str:
        """When it was last changed, as far as it says so."""
        return str(self.head.get("date", ""))

    @cached_property
    def folded(self) -> Mapping[str, str]:
        """Where case does not matter: lower case -> code."""
        is_loose = self.head.get("caseSensitive") is False
        return {code.lower(): code for code in self.concepts} if is_loose else {}

    @cached_property
    def below(self) -> Mapping[str, list[str]]:
        """Code -> the codes right below it."""
        found: dict[str, list[str]] = {}
        for concept in self.concepts.values():
            for parent in concept.parents:
                found.setdefault(parent, []).append(concept.code)
        return found

    def find(self, codes: Iterable[str]) -> dict[str, Concept]:
        """See System."""
        found: dict[str, Concept] = {}
        for code in codes:
            concept = self.concepts.get(code) or self.concepts.get(self.folded.get(code.lower(), code))
            if concept is not None:
                found[code] = concept
        return found

    def select(self, filters: Sequence[Filter], only: str | None, at_most: int) -> list[Concept]:
        """See System."""
        pool: Iterable[Concept] = (self.concepts if only is None else self.find([only])).values()
        for each in filters:
            pool = passes(self, each, pool)
        found = list(pool)
        if len(found) > at_most:
            raise CannotTell("too-costly", f"More than {at_most} codes of {self.url}.")
        return found

    def above(self, code: str) -> list[str]:
        """See System."""
        return list(self._walk(code, self._parents))

    def all_below(self, code: str) -> frozenset[str]:
        """Every code that this one subsumes, without itself."""
        return frozenset(self._walk(code, self.children))

    def children(self, code: str) -> list[str]:
        """See System."""
        return list(self.below.get(code, ()))

    def _parents(self, code: str) -> Sequence[str]:
        found = self.concepts.get(code)
        return found.parents if found else ()

    @staticmethod
    def _walk(start: str, step: Callable[[str], Iterable[str]]) -> Iterator[str]:
        seen, waiting = {start}, list(step(start))
        while waiting:
            code = waiting.pop()
            if code not in seen:
                seen.add(code)
                yield code
                waiting += step(code)


def of_resource(found: Json) -> MemorySystem:
    """The CodeSystem as a System."""
    named = {
        str(p.get("uri", "")).rpartition("#")[2]: str(p["code"]) for p in _objects(found.get("property"))
    }
    rows = list(_concepts(found.get("concept"), ""))
    extra = _children_named(rows)
    concepts = (_concept(row, [parent, *extra.get(str(row.get("code")), ())], named) for row, parent in rows)
    return MemorySystem(found, concepts)


def of_rows(
    head: Json, rows: Iterable[Sequence[str]], *, is_abstract: Callable[[str], bool] = lambda code: False
) -> MemorySystem:
    """Of [code, display, parent] rows; a code that comes twice counts once."""
    found: dict[str, Concept] = {}
    for code, display, parent in rows:
        if code not in found:
            above = (parent,) if parent and parent != code else ()
            found[code] = Concept(code, display, parents=above, is_abstract=is_abstract(code))
    return MemorySystem(head, found.values())


def _concepts(rows: Any, parent: str) -> Iterator[tuple[Json, str]]:
    for row in _objects(rows):
        yield row, parent
        yield from _concepts(row.get("concept"), str(row.get("code")))


def _children_named(rows: Iterable[tuple[Json, str]]) -> dict[str, list[str]]:
    """Child -> parents, by the property `child`."""
    found: dict[str, list[str]] = {}
    for row, _ in rows:
        for each in _objects(row.get("property")):
            if each.get("code") == "child":
                found.setdefault(str(value_of(each)), []).append(str(row.get("code")))
    return found


def _concept(row: Json, parents: Iterable[str], named: Mapping[str, str]) -> Concept:
    properties = _objects(row.get("property"))
    values = {str(p.get("code")): value_of(p) for p in properties}
    by_property = [str(value_of(p)) for p in properties if p.get("code") in _PARENTS]
    return Concept(
        str(row.get("code")),
        str(row.get("display", "")),
        str(row.get("definition", "")),
        tuple(dict.fromkeys(p for p in (*parents, *by_property) if p)),
        _is_set(values, ("notSelectable", "abstract", named.get("notSelectable", ""))),
        _is_set(values, ("inactive", named.get("inactive", ""))) or values.get("status") in _INACTIVE,
        tuple(d for d in _objects(row.get("designation")) if isinstance(d.get("value"), str)),
        tuple(properties),
    )


def _is_set(values: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(values.get(name) in (True, "true") for name in names if name)


def value_of(found: Json) -> Any:
    """The value[x] of a property; a Coding as its code."""
    value = next((v for k, v in found.items() if k.startswith("value")), None)
    return value.get("code") if isinstance(value, dict) else value


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

"""A ValueSet -> its members: all of them, or what there is of one code.

Includes join; in one include its system's codes and its value sets all have to agree; excludes take away. For one code a part that cannot
be told matters only where the others leave it open. https://hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from terminology.codes.concept import CannotTell, Concept, Filter, Json, System
from terminology.codes.filters import TEXT

MOST_MEMBERS = 100_000
"""Codes of one expansion; beyond that it is too costly."""


class Sources(Protocol):
    """What a compose rests on."""

    def require_system(self, url: str, version: str = "") -> System: ...
    def require_value_set(self, canonical: str) -> Json: ...


class Member(NamedTuple):
    """A code of a value set."""

    system: str
    version: str
    concept: Concept


class One(NamedTuple):
    """The one code that is asked for; `system` is None where any will do."""

    system: str | None
    code: str


Members = dict[tuple[str, str], Member]


@dataclass(frozen=True, slots=True)
class Versions:
    """Which version of a system counts: `default` where the value set names none, `check` and `force` as $expand says."""

    default: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, str] = field(default_factory=dict)
    force: Mapping[str, str] = field(default_factory=dict)

    def of(self, system: str, named: str) -> str:
        """The version to use. Raises CannotTell where `check` has another."""
        version = self.force.get(system) or named or self.default.get(system) or self.check.get(system, "")
        if self.check.get(system, version) != version:
            raise CannotTell(
                "conflict", f"The value set has version {version} of {system}, not {self.check[system]}."
            )
        return version


@dataclass(slots=True)
class Composer:
    """Works out value sets; `used` gathers what they rest on: ("version", code system) or ("valueset", canonical) -> its date.

    `text`: only codes that say this are wanted, others may come too. `one`: only this code is.
    """

    sources: Sources
    one: One | None = None
    versions: Versions = field(default_factory=Versions)
    text: str = ""
    used: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def members(self, found: Json, around: tuple[str, ...] = ()) -> Members:
        """Its members. Raises CannotTell."""
        compose = found.get("compose")
        if not isinstance(compose, dict):
            return self._expanded(found)
        path = (*around, str(found.get("url", "")))
        doubts: list[CannotTell] = []
        included = self._joined(compose.get("include"), found, path, doubts)
        if self.one and not included:
            _raise(doubts)
        doubts = []
        for key in self._joined(compose.get("exclude"), found, path, doubts):
            included.pop(key, None)
        if included:
            _raise(doubts)
        if compose.get("inactive") is False:
            return {key: member for key, member in included.items() if not member.concept.is_inactive}
        return included

    def _joined(self, parts: Any, found: Json, path: tuple[str, ...], doubts: list[CannotTell]) -> Members:
        members: Members = {}
        for part in _objects(parts):
            try:
                for key, member in self._part(part, found, path).items():
                    members.setdefault(key, member)
            except CannotTell as doubt:
                if self.one is None:
                    raise
                doubts.append(doubt)
            if len(members) > MOST_MEMBERS:
                raise CannotTell("too-costly", f"The value set has more than {MOST_MEMBERS} codes.")
        return members

    def _part(self, part: Json, found: Json, path: tuple[str, ...]) -> Members:
        """All of an include agree. A doubtful one counts only where no other says no."""
        answers: list[Members] = []
        doubts: list[CannotTell] = []
        for step in self._steps(part, found, path):
            try:
                answers.append(step())
            except CannotTell as doubt:
                if self.one is None:
                    raise
                doubts.append(doubt)
        if not answers or all(answers):
            _raise(doubts)
        if not answers:
            return {}
        first, *others = answers
        return {key: member for key, member in first.items() if all(key in other for other in others)}

    def _steps(self, part: Json, found: Json, path: tuple[str, ...]) -> list[Callable[[], Members]]:
        steps = [partial(self._of_system, part)] if "system" in part else []
        inner = part.get("valueSet")
        named = map(str, inner) if isinstance(inner, list) else ()
        return [*steps, *(partial(self._nested, canonical, found, path) for canonical in named)]

    def _nested(self, canonical: str, found: Json, path: tuple[str, ...]) -> Members:
        own = _contained(found, canonical)
        inside = own or self.sources.require_value_set(canonical)
        url = str(inside.get("url", canonical))
        if url in path:
            around = " -> ".join([*path[path.index(url) :], url])
            raise CannotTell("processing", f"The value set contains itself: {around}.")
        if own is None:
            self._rests_on("valueset", url, str(inside.get("version", "")), str(inside.get("date", "")))
        return self.members(inside, path)

    def _rests_on(self, what: str, url: str, version: str, date: str) -> None:
        self.used[what, f"{url}|{version}" if version else url] = date

    def _of_system(self, part: Json) -> Members:
        url = str(part["system"])
        if self.one and self.one.system not in (None, url):
            return {}
        concepts, named = _objects(part.get("concept")), str(part.get("version", ""))
        version = self.versions.of(url, named)
        try:
            system = self.sources.require_system(url, version)
        except CannotTell as doubt:
            if not concepts or version != named:
                is_open = doubt.is_open and "filter" not in part
                raise CannotTell(doubt.code, doubt.text, is_open=is_open) from None
            return _unknown(url, named, concepts, self.one)
        self._rests_on("version", url, system.version, system.date)
        if concepts:
            return _listed(system, concepts, self.one)
        return self._selected(system, [Filter.parse(row) for row in _objects(part.get("filter"))])

    def _selected(self, system: System, filters: list[Filter]) -> Members:
        asked = [*filters, Filter("display", TEXT, self.text)] if self.text else filters
        selected = system.select(asked, self.one.code if self.one else None, MOST_MEMBERS)
        if system.content not in ("complete", "example"):
            self._doubt(system, filters, bool(selected))
        return {(system.url, c.code): Member(system.url, system.version, c) for c in selected}

    def _doubt(self, system: System, filters: list[Filter], has_found: bool) -> None:
        """Of a fragment what is there is there; more cannot be told."""
        text = system.note or f"Only a part ({system.content}) of {system.url} is known here."
        if self.one is None or filters or not has_found:
            raise CannotTell("incomplete", text, is_open=not filters)
        self.notes[text] = None

    def _expanded(self, found: Json) -> Members:
        """A value set that has nothing but its expansion."""
        expansion = found.get("expansion")
        if not isinstance(expansion, dict):
            raise CannotTell("incomplete", f"The value set {found.get('url', '')} says nothing of its codes.")
        rows = [row for row in contained_rows(expansion) if "code" in row and not row.get("abstract")]
        return {
            (str(row.get("system", "")), str(row["code"])): _row_member(row)
            for row in rows
            if self.one is None
            or (row["code"] == self.one.code and self.one.system in (None, row.get("system")))
        }


def _raise(doubts: list[CannotTell]) -> None:
    """The first that is not open, for it says more."""
    if doubts:
        raise next((doubt for doubt in doubts if not doubt.is_open), doubts[0])


def _unknown(url: str, version: str, concepts: list[Json], one: One | None) -> Members:
    """Codes that the value set lists of a system that is not known here."""
    rows = [row for row in concepts if one is None or row.get("code") == one.code]
    return {(url, str(row.get("code"))): Member(url, version, _of_row(row)) for row in rows}


def _listed(system: System, concepts: list[Json], one: One | None) -> Members:
    """Codes that the value set lists, in its order and with its words."""
    rows = [row for row in concepts if one is None or row.get("code") == one.code]
    known = system.find([str(row.get("code")) for row in rows])
    found: Members = {}
    for row in rows:
        code = str(row.get("code"))
        own = known.get(code)
        words = _objects(row.get("designation"))
        concept = own.overlaid(str(row.get("display", "")), words) if own else _of_row(row)
        found[system.url, code] = Member(system.url, system.version, concept)
    return found


def _of_row(row: Json) -> Concept:
    return Concept(
        str(row.get("code")),
        str(row.get("display", "")),
        designations=tuple(_objects(row.get("designation"))),
    )


def _row_member(row: Json) -> Member:
    concept = Concept(
        str(row["code"]),
        str(row.get("display", "")),
        is_inactive=row.get("inactive") is True,
        designations=tuple(_objects(row.get("designation"))),
    )
    return Member(str(row.get("system", "")), str(row.get("version", "")), concept)


def contained_rows(holder: Json) -> Iterable[Json]:
    """The rows of an expansion, with those inside them."""
    for row in _objects(holder.get("contains")):
        yield row
        yield from contained_rows(row)


def _contained(found: Json, canonical: str) -> Json | None:
    if not canonical.startswith("#"):
        return None
    return next((r for r in _objects(found.get("contained")) if r.get("id") == canonical[1:]), None)


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []

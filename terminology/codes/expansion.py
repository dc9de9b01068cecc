"""Members -> ValueSet.expansion: text filter, active codes, pages, hierarchy, designations, language.

https://hl7.org/fhir/R4/valueset-operation-expand.html and https://hl7.org/fhir/R4/valueset.html#expansion
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from terminology.codes.compose import Member, Members
from terminology.codes.concept import Json
from terminology.codes.filters import says

LANGUAGES = "urn:ietf:bcp:47"


@dataclass(frozen=True, slots=True)
class Options:
    """What a client wants of an expansion. `nested`: None leaves it open, and pages and filters make it flat.

    `designations`: which to show, as tokens `system|code` of a use or a language; None shows none, an empty tuple all."""

    filter: str = ""
    offset: int = 0
    count: int | None = None
    active_only: bool = False
    nested: bool | None = None
    for_interface: bool = False
    designations: tuple[str, ...] | None = None
    language: str = ""
    without_systems: tuple[str, ...] = ()

    @property
    def is_nested(self) -> bool:
        """Whether codes stand inside the codes above them."""
        if self.nested is not None:
            return self.nested
        return self.count is None and not self.offset and not self.filter


def expansion(members: Members, options: Options) -> Json:
    """`total`, `offset` where there are pages, and `contains`."""
    kept = [member for member in members.values() if _stays(member, options)]
    found: Json = {"total": len(kept)}
    if options.is_nested:
        rows = _nested(kept, options)
    else:
        end = None if options.count is None else options.offset + options.count
        rows = [_row(member, options) for member in kept[options.offset : end]]
        if options.offset or options.count is not None:
            found["offset"] = options.offset
    return found | ({"contains": rows} if rows else {})


def _stays(member: Member, options: Options) -> bool:
    concept = member.concept
    if (options.active_only and concept.is_inactive) or (options.for_interface and concept.is_abstract):
        return False
    if options.without_systems and _is_excluded(member, options.without_systems):
        return False
    return not options.filter or says(concept, options.filter)


def _is_excluded(member: Member, systems: Sequence[str]) -> bool:
    return member.system in systems or f"{member.system}|{member.version}" in systems


def _nested(members: Sequence[Member], options: Options) -> list[Json]:
    """Each below the first of its parents that is there too; a circle of parents opens at its first code."""
    rows = {(m.system, m.concept.code): _row(m, options) for m in members}
    roots: list[Json] = []
    above: dict[tuple[str, str], tuple[str, str]] = {}
    for member in members:
        key = (member.system, member.concept.code)
        parent = next((p for p in _parents(member) if p in rows and not _leads_to(above, p, key)), None)
        if parent is None:
            roots.append(rows[key])
        else:
            above[key] = parent
            rows[parent].setdefault("contains", []).append(rows[key])
    return roots


def _parents(member: Member) -> Iterable[tuple[str, str]]:
    return ((member.system, code) for code in member.concept.parents)


def _leads_to(
    above: dict[tuple[str, str], tuple[str, str]], start: tuple[str, str], end: tuple[str, str]
) -> bool:
    at: tuple[str, str] | None = start
    while at is not None and at != end:
        at = above.get(at)
    return at == end


def _row(member: Member, options: Options) -> Json:
    concept = member.concept
    row: Json = {"system": member.system} if member.system else {}
    if concept.is_abstract:
        row["abstract"] = True
    if concept.is_inactive:
        row["inactive"] = True
    row["code"] = concept.code
    display = concept.in_language(options.language) if options.language else concept.display
    if display:
        row["display"] = display
    if options.designations is not None and concept.designations:
        shown = [d for d in concept.designations if _is_wanted(d, options.designations)]
        if shown:
            row["designation"] = shown
    return row


def _is_wanted(designation: Json, tokens: Sequence[str]) -> bool:
    return not tokens or any(
        _FITS[token.partition("|")[0] == LANGUAGES](designation, token) for token in tokens
    )


def _is_use(designation: Json, token: str) -> bool:
    use = designation.get("use")
    found = (use.get("system", ""), use.get("code", "")) if isinstance(use, dict) else ("", "")
    system, bar, code = token.rpartition("|")
    if not bar:
        return token in (found[1], designation.get("language"))
    return system == found[0] and code in ("", found[1])


def _is_language(designation: Json, token: str) -> bool:
    return designation.get("language") == token.partition("|")[2]


_FITS: dict[bool, Callable[[Json, str], bool]] = {True: _is_language, False: _is_use}

"""URL -> Query: what the pairs of a search mean, or a clear refusal.

Nothing is ignored silently: an unknown parameter is a 400 with the known ones (strict), or an issue in the Bundle (lenient).
https://hl7.org/fhir/R4/search.html#Introduction and https://hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fhir_server.r4.definitions import RESOURCE_TYPES, TYPE_CODE, elements, is_choice
from fhir_server.r4.outcome import FhirError, Issue, Problem
from fhir_server.search import conditions
from fhir_server.search.includes import parse_include
from fhir_server.search.parameters import Registry
from fhir_server.search.query import AllOf, Condition, Include, Query, Ranked, Sort
from fhir_server.search.types.asked import split

Pair = tuple[str, str]
TOTALS = ("none", "estimate", "accurate")
SUMMARIES = ("true", "false", "text", "data", "count")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many matches a page has when nothing is said, and at most."""

    page: int = 50
    most: int = 1000


@dataclass(slots=True)
class _Draft:
    """The query while its pairs are read."""

    registry: Registry
    type: str
    limits: Limits
    lenient: bool
    conditions: list[Condition] = field(default_factory=list)
    types: tuple[str, ...] = ()
    sort: tuple[Sort, ...] = ()
    includes: list[Include] = field(default_factory=list)
    result: dict[str, str] = field(default_factory=dict)
    understood: list[Pair] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


def parse(
    registry: Registry,
    resource_type: str,
    pairs: Sequence[Pair],
    *,
    limits: Limits = Limits(),
    lenient: bool = False,
    within: Sequence[Condition] = (),
) -> Query:
    """The Query of these (name, value) pairs; `within` are conditions of the context, such as a compartment."""
    draft = _Draft(registry, resource_type, limits, lenient)
    draft.types = _system_types(pairs) if not resource_type else (resource_type,)
    for pair in pairs:
        _read(draft, pair)
    kept, ranked = tuple(draft.conditions), _ranked(draft)
    return Query(
        type=resource_type,
        condition=AllOf((*within, *kept)),
        sort=draft.sort,
        includes=tuple(draft.includes),
        count=_count(draft),
        most=_whole_number(draft, "_maxresults"),
        total=_one_of(draft, "_total", TOTALS, "none"),
        summary=_one_of(draft, "_summary", SUMMARIES, ""),
        elements=tuple(e for e in draft.result.get("_elements", "").split(",") if e),
        cursor=draft.result.get("_cursor", ""),
        contained=_contained(draft),
        contained_type=_one_of(draft, "_containedType", ("container", "contained"), "container"),
        understood=tuple(draft.understood),
        ranked=ranked,
        issues=tuple(draft.issues),
        asks_for_drafts=any(
            name.partition(":")[0] in ("status", "_id", "_security") for name, _ in draft.understood
        ),
    )


def _ranked(draft: _Draft) -> Ranked | None:
    """The one parameter that orders the matches; where `_sort` says something else, it decides between equals."""
    found = [condition for condition in draft.conditions if isinstance(condition, Ranked)]
    if len(found) > 1:
        raise FhirError(Problem.BAD_PARAMETER, "A search is ordered by one text only; two were given.")
    if found and _contained(draft) != "false":
        raise FhirError(
            Problem.BAD_PARAMETER, "_contained: what is contained has no meaning of its own here."
        )
    if found and not any(sort.code == "_score" for sort in draft.sort):
        draft.sort += (Sort("_score", None, descending=True),)
    return found[0] if found else None


def _system_types(pairs: Sequence[Pair]) -> tuple[str, ...]:
    named = tuple(t for name, value in pairs if name == "_type" for t in value.split(",") if t)
    for name in named:
        if name not in TYPE_CODE:
            raise FhirError(Problem.BAD_PARAMETER, f"_type: R4 has no resource type {name}.")
    return named


def _read(draft: _Draft, pair: Pair) -> None:
    name, value = pair
    if not value and name not in ("_cursor",):
        # An empty value is as good as none: https://hl7.org/fhir/R4/search.html#Introduction
        return
    _check_modifier(name)
    try:
        _HANDLERS.get(name.partition(":")[0], _condition)(draft, name, value)
    except FhirError as error:
        if error.problem is not Problem.UNKNOWN_PARAMETER or not draft.lenient:
            raise
        draft.issues.append(Issue("not-supported", f"Ignored: {error}", severity="warning"))
        return
    draft.understood.append(pair)


def _check_modifier(name: str) -> None:
    """Of what shapes the result only the includes know a modifier: `_sort:desc=date` is of an older FHIR."""
    plain, colon, _ = name.partition(":")
    if colon and plain in _HANDLERS and plain not in ("_include", "_revinclude"):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: {plain} knows no modifier.")


def _condition(draft: _Draft, name: str, value: str) -> None:
    draft.conditions.append(conditions.parse_condition(draft.registry, draft.types, name, value))


def _keep(draft: _Draft, name: str, value: str) -> None:
    """Such a parameter stands once; said twice, either could be meant. https://hl7.org/fhir/R4/search.html#modifyingresults"""
    if draft.result.setdefault(name, value) != value:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: given twice, with different values.")


def _elements(draft: _Draft, name: str, value: str) -> None:
    for wanted in filter(None, value.split(",")):
        if not any(_has_element(t, wanted) for t in draft.types or RESOURCE_TYPES):
            where = ", ".join(draft.types) or "R4"
            raise FhirError(Problem.UNKNOWN_PARAMETER, f"_elements: {where} has no element {wanted}.")
    _keep(draft, name, value)


def _has_element(resource_type: str, name: str) -> bool:
    """An element at the root, or the stem of a choice."""
    found = elements(resource_type)
    return name in ("resourceType", *found) or any(is_choice(full, name) for full in found)


def _sort(draft: _Draft, name: str, value: str) -> None:
    draft.sort += tuple(_sort_key(draft, part.strip()) for part in value.split(",") if part.strip())


def _sort_key(draft: _Draft, text: str) -> Sort:
    code, descending = text.removeprefix("-"), text.startswith("-")
    if code in ("_id", "_lastUpdated", "_score"):
        return Sort(code, None, descending)
    found = conditions.parameter(draft.registry, draft.types, code, f"_sort={code}")
    if found.type in ("composite", "special"):
        raise FhirError(Problem.BAD_PARAMETER, f"_sort: a {found.type} parameter has no order.")
    return Sort(code, found, descending)


def _include(draft: _Draft, name: str, value: str) -> None:
    draft.includes.extend(parse_include(draft.registry, draft.types, name, value))


def _nothing(draft: _Draft, name: str, value: str) -> None:
    """Parameters that the transport has dealt with (`_format`, `_pretty`)."""


def _count(draft: _Draft) -> int:
    """What the self link says is what was done: a page holds no more than its limit."""
    found = _whole_number(draft, "_count")
    if found is not None and found > draft.limits.most:
        found = draft.limits.most
        draft.understood = [(n, str(found) if n == "_count" else v) for n, v in draft.understood]
    return draft.limits.page if found is None else found


def _whole_number(draft: _Draft, name: str) -> int | None:
    text = draft.result.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected a whole number from 0.")
    return int(text[:9])


def _one_of(draft: _Draft, name: str, allowed: Sequence[str], default: str) -> str:
    value = draft.result.get(name, default)
    if value != default and value not in allowed:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected one of {', '.join(allowed)}.")
    return value


def _contained(draft: _Draft) -> str:
    """Containers are not what was asked for, so they have no place in an order by its parameters."""
    found = _one_of(draft, "_contained", ("true", "false", "both"), "false")
    by_parameter = any(sort.parameter for sort in draft.sort)
    if found != "false" and by_parameter and draft.result.get("_containedType") != "contained":
        raise FhirError(Problem.BAD_PARAMETER, "_sort: containers are sorted by _id or _lastUpdated only.")
    return found


def _total_method(draft: _Draft, name: str, value: str) -> None:
    """`_totalMethod=count` is what fhirpy sends for `_total=accurate`."""
    draft.result["_total"] = "accurate"


def _type(draft: _Draft, name: str, value: str) -> None:
    if draft.type:
        raise FhirError(Problem.UNKNOWN_PARAMETER, "_type is for searches over all types.")
    draft.conditions.append(conditions.types(draft.types))


_HANDLERS: dict[str, Callable[[_Draft, str, str], None]] = {
    "_count": _keep,
    "_maxresults": _keep,
    "_total": _keep,
    "_totalMethod": _total_method,
    "_summary": _keep,
    "_elements": _elements,
    "_cursor": _keep,
    "_contained": _keep,
    "_containedType": _keep,
    "_format": _nothing,
    "_pretty": _nothing,
    "_type": _type,
    "_sort": _sort,
    "_include": _include,
    "_revinclude": _include,
}


def with_page(query: Query, cursor: str) -> Query:
    """The same query at another page."""
    return replace(query, cursor=cursor)


def names(value: str) -> list[str]:
    """Comma-separated values, escapes kept."""
    return [part for part in split(value, ",") if part]

"""Query: a search as a tree of conditions, and what to give back.

Parsed once from the URL (parse.py), then compiled to one statement (compile.py, page.py). https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_server.r4.outcome import Issue
from fhir_server.search.parameters import Parameter


@dataclass(frozen=True, slots=True)
class Match:
    """An indexed parameter has one of the values (or, with `:not`, none of them)."""

    parameter: Parameter
    values: tuple[str, ...]
    modifier: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """The parameter has no value at all (or has one)."""

    parameter: Parameter
    missing: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """The reference's target, of one of the types, fulfils the condition."""

    parameter: Parameter
    targets: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of the type refers here by the parameter, and fulfils the condition."""

    type: str
    parameter: Parameter
    condition: Condition


@dataclass(frozen=True, slots=True)
class Ids:
    """The logical id is one of these."""

    ids: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    """meta.lastUpdated compares so with one of the values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InHierarchy:
    """The reference leads to the resource or to anything below (or above) it; `part_of` says what lies below what."""

    parameter: Parameter
    type: str
    id: str
    part_of: tuple[int, ...]
    is_above: bool


@dataclass(frozen=True, slots=True)
class Says:
    """The narrative (or the whole content) fulfils one of the tsquery literals; none of them: it says nothing at all."""

    column: str
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Types:
    """The resource type is one of these (system-level search)."""

    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InCompartment:
    """The resource lies in the compartment: by the Patient's table, else by the named reference parameters."""

    type: str
    id: str
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InList:
    """An item of this List resource; `items`: numbers of the parameter that says what its items are."""

    id: str
    items: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Near:
    """A Location within so many kilometres of a point."""

    parameter: Parameter
    latitude: float
    longitude: float
    kilometres: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """It is among what a ranking parameter finds for the text."""

    parameter: Parameter
    text: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


Condition = (
    Match
    | Missing
    | Chain
    | Has
    | Ids
    | Updated
    | Says
    | InHierarchy
    | Types
    | InCompartment
    | InList
    | Near
    | Ranked
    | AllOf
    | AnyOf
    | Not
)


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort key: an indexed parameter, or `_id`/`_lastUpdated` where `parameter` is None."""

    code: str
    parameter: Parameter | None
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """`source` is the type that holds the reference; `target` narrows what comes; no parameter is `*`."""

    source: str
    parameters: tuple[int, ...]
    target: str = ""
    reverse: bool = False
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One page of a search. `type` is empty for a system-level search; `understood` makes the self link.

    `count` is the size of a page, `most` how many matches all pages together may bring.
    """

    type: str
    condition: AllOf
    sort: tuple[Sort, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 50
    most: int | None = None
    total: str = "none"
    summary: str = ""
    elements: tuple[str, ...] = ()
    cursor: str = ""
    understood: tuple[tuple[str, str], ...] = ()
    issues: tuple[Issue, ...] = field(default=())
    asks_for_drafts: bool = False
    contained: str = "false"
    contained_type: str = "container"
    ranked: Ranked | None = None

    @property
    def gives_contained(self) -> bool:
        """Whether contained resources stand in the page themselves, not their containers."""
        return self.contained != "false" and self.contained_type == "contained"

    @property
    def order(self) -> str:
        """What a cursor has to agree with: the type and the sort keys."""
        keys = ",".join(f"-{sort.code}" if sort.descending else sort.code for sort in self.sort)
        return f"{self.type}?{keys}"

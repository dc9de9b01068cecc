"""`_contained` and `_containedType`: searches that find contained resources, and give them or their containers.

A contained resource is read with its container: it has to be there, and the Access has to let it through.
https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.search.compile import Compiler, Place
from fhir_server.search.parameters import contained_range
from fhir_server.search.query import Query
from fhir_server.sql import Fragment, all_of

_INSIDE = f"""
SELECT c.rid, ((c.rid >> 40) & 65535)::smallint AS type, c.id, t.rid AS container, t.version, t.last_updated, t.body,
    NULL::bigint AS narrative, NULL::bigint AS content, (t.type || '/' || t.id || '#' || c.id) AS label
FROM contained c JOIN resource t ON t.rid = c.container AND t.type <> {TYPE_CODE["Bundle"]}
"""
"""Of a Bundle's entries none counts as contained here."""
_WHOLE = "SELECT t.rid, t.type, t.id, t.rid, t.version, t.last_updated, t.body, t.narrative, t.content, t.id FROM resource t"


_RANKED = "SELECT t.*, k.score FROM resource t JOIN"


def readable(query: Query, compiler: Compiler, alias: str) -> Fragment:
    """The resource is there, the Access lets it through, and it is no unsigned draft that nobody asked for."""
    parts = [Fragment(f"{alias}.body IS NOT NULL"), compiler.access.on(alias)]
    if not query.asks_for_drafts:
        parts.append(Fragment(f"NOT {alias}.draft"))
    return all_of(part for part in parts if part.text != "TRUE")


def source(query: Query, compiler: Compiler) -> Fragment:
    """What `r` stands for: the table of resources, or contained resources with the columns of one; `score` beside them where there is one."""
    if query.ranked:
        scores = compiler.ranking(query.ranked).scores
        return Fragment(f"({_RANKED} ({scores.text}) k ON k.rid = t.rid)", scores.values)
    if not query.gives_contained:
        return Fragment("resource")
    allowed = readable(query, compiler, "t")
    inside = f"{_INSIDE} WHERE {allowed.text}"
    if query.contained == "true":
        return Fragment(f"({inside})", allowed.values)
    return Fragment(f"({inside} UNION ALL {_WHOLE} WHERE {allowed.text})", allowed.values * 2)


def matching(query: Query, compiler: Compiler, whole: Fragment) -> Fragment:
    """The condition on `r`; `whole` is what an uncontained resource has to fulfil."""
    if query.gives_contained:
        inside = _inside(query, compiler, "r")
        return inside | whole if query.contained == "both" else inside
    holds = _inside(query, compiler, "c")
    containers = Fragment(
        f"r.rid IN (SELECT c.container FROM ({_INSIDE}) c WHERE {holds.text})", holds.values
    )
    return readable(query, compiler, "r") & (containers | whole if query.contained == "both" else containers)


def _inside(query: Query, compiler: Compiler, alias: str) -> Fragment:
    lo, hi = contained_range(query.type)
    types = (query.type,) if query.type else ()
    ranged = Fragment(f"{alias}.rid >= {lo} AND {alias}.rid < {hi}")
    return ranged & compiler.compile(query.condition, Place(f"{alias}.rid", alias, types))

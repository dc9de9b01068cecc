"""One pair of a search -> a Condition: modifiers, chains, `_has` and the parameters that every type has.

https://hl7.org/fhir/R4/search.html#modifiers, #chaining, #has
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.r4.definitions import RESOURCE_TYPES, TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search import expression
from fhir_server.search.current import current
from fhir_server.search.named import named
from fhir_server.search.parameters import Parameter, Registry
from fhir_server.search.query import (
    AllOf,
    AnyOf,
    Chain,
    Condition,
    Has,
    Ids,
    InHierarchy,
    InList,
    Match,
    Missing,
    Near,
    Not,
    Ranked,
    Says,
    Types,
    Updated,
)
from fhir_server.search.types import composite, date, number, quantity, reference, string, token, uri
from fhir_server.search.types.asked import check_escapes, split, unescape
from fhir_server.search.words import parse_words

MODIFIERS: dict[str, tuple[str, ...]] = {
    "token": token.MODIFIERS,
    "string": string.MODIFIERS,
    "date": date.MODIFIERS,
    "number": number.MODIFIERS,
    "quantity": quantity.MODIFIERS,
    "reference": reference.MODIFIERS,
    "uri": uri.MODIFIERS,
    "composite": composite.MODIFIERS,
    "special": (),
}
MakeSpecial = Callable[[Registry, Sequence[str], str, str], Condition]
MAX_CHAIN = 8
"""Links in one chain; more is a mistake or an attack."""


def parse_condition(
    registry: Registry, types: Sequence[str], name: str, value: str, depth: int = 0
) -> Condition:
    """The condition of `name=value` on resources of one of the types (of every type where none is given)."""
    if depth > MAX_CHAIN:
        raise FhirError(Problem.BAD_PARAMETER, f"A chain has at most {MAX_CHAIN} links.")
    if name.startswith("_has:"):
        return _has(registry, types, name, value, depth)
    head, dot, rest = name.partition(".")
    if dot:
        return _chain(registry, types, head, rest, value, depth)
    code, _, modifier = head.partition(":")
    special = _SPECIAL.get(code)
    if special is not None:
        return special(registry, types, modifier, value)
    return _match(registry, parameter(registry, types, code, name), modifier, name, value)


def parameter(registry: Registry, types: Sequence[str], code: str, name: str) -> Parameter:
    """The parameter of this code; over several types it has to mean the same for each of them."""
    found = [p for t in (types or ("Resource",)) if (p := _find(registry, t, code))]
    if not found or len(found) < len(types):
        known = registry.known(types[0]) if types else ["_profile", "_security", "_source", "_tag", "_type"]
        where = ", ".join(types) or "a search over all types"
        raise FhirError(
            Problem.UNKNOWN_PARAMETER,
            f"{name}: {where} has no search parameter {code}. Known: {', '.join(sorted({*known, *OF_ALL}))}.",
        )
    if not all(p.is_ready for p in found):
        raise FhirError(
            Problem.UNKNOWN_PARAMETER,
            f"{name}: the stored resources are not indexed by {code} yet; it can be used when $reindex has run.",
        )
    return found[0] if len(found) == 1 else _merged(found)


def _find(registry: Registry, resource_type: str, code: str) -> Parameter | None:
    if resource_type != "Resource":
        return registry.get(resource_type, code)
    every = [p for t in RESOURCE_TYPES if (p := registry.get(t, code))]
    return _merged(every) if len(every) == len(RESOURCE_TYPES) else None


def _merged(found: Sequence[Parameter]) -> Parameter:
    from dataclasses import replace

    if len({p.type for p in found}) > 1:
        raise FhirError(
            Problem.BAD_PARAMETER, f"{found[0].code} is not of one type over these resource types."
        )
    return replace(found[0], stored=tuple(i for p in found for i in p.stored))


def _match(registry: Registry, found: Parameter, modifier: str, name: str, value: str) -> Condition:
    check_escapes(name, value)
    if modifier and found.is_ranking:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: this parameter knows no modifier.")
    if modifier == "missing" and found.type != "composite":
        return Missing(found, _boolean(name, value))
    if modifier == "type" and found.type == "reference":
        modifier = ""
    if modifier and not _allows(found, modifier):
        missing = () if found.type == "composite" else ("missing",)
        allowed = ", ".join(f":{m}" for m in (*missing, *MODIFIERS[found.type])) or "none"
        raise FhirError(
            Problem.BAD_PARAMETER, f"{name}: a {found.type} parameter knows the modifiers {allowed}."
        )
    if found.type == "special":
        return _special(found, name, value)
    values = tuple(v for v in split(value, ",") if v)
    if found.type == "uri" and found.code == "_profile" and not modifier:
        modifier = "versions"
    if found.type == "uri" and found.code == "url" and not modifier:
        return AnyOf(tuple(_canonical(registry, found, name, v) for v in values))
    if found.type == "reference" and modifier in ("above", "below"):
        return AnyOf(tuple(_hierarchy(registry, found, modifier, name, v) for v in values))
    return Match(found, values, modifier, name)


def _canonical(registry: Registry, found: Parameter, name: str, value: str) -> Condition:
    """`url|version` asks for the business version as well. https://hl7.org/fhir/R4/search.html#uri"""
    url, *version = split(value, "|")
    known = registry.get(found.base, "version")
    if not version or known is None:
        return Match(found, (value,), "", name)
    return AllOf((Match(found, (url,), "", name), Match(known, ("\\|".join(version),), "", name)))


def _hierarchy(registry: Registry, found: Parameter, modifier: str, name: str, value: str) -> Condition:
    """`location:below=42` goes down by Location's own `partof`; of canonicals it is a matter of their addresses."""
    kind, slash, logical_id = unescape(value).rpartition("/")
    kind = kind if slash else found.narrowed or (found.targets[0] if len(found.targets) == 1 else "")
    part_of = [p for code in ("partof", "part-of") if kind in TYPE_CODE and (p := registry.get(kind, code))]
    own = [p for p in part_of if kind in p.targets]
    if not own:
        return Match(found, (value,), modifier, name)
    return InHierarchy(found, kind, logical_id, tuple(i for p in own for i in p.stored), modifier == "above")


def _allows(found: Parameter, modifier: str) -> bool:
    if found.type == "reference" and modifier in TYPE_CODE:
        return not found.targets or modifier in found.targets
    return modifier in MODIFIERS[found.type]


def _boolean(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected true or false.")
    return value == "true"


def _chain(
    registry: Registry, types: Sequence[str], head: str, rest: str, value: str, depth: int
) -> Condition:
    code, _, narrowed = head.partition(":")
    found = parameter(registry, types, code, f"{head}.{rest}")
    if found.type != "reference":
        raise FhirError(Problem.BAD_PARAMETER, f"{head}: only a reference can be chained.")
    if narrowed and not _allows(found, narrowed):
        raise FhirError(Problem.BAD_PARAMETER, f"{head}: {code} cannot refer to {narrowed}.")
    wanted = (
        [narrowed]
        if narrowed
        else [found.narrowed]
        if found.narrowed
        else list(found.targets or RESOURCE_TYPES)
    )
    targets, first = [], None
    for target in wanted:
        try:
            targets.append(
                (target, _unranked(rest, parse_condition(registry, [target], rest, value, depth + 1)))
            )
        except FhirError as error:
            if error.problem is not Problem.UNKNOWN_PARAMETER:
                raise
            first = first or error
    if not targets and first:
        raise first
    return Chain(found, tuple(targets))


def _has(registry: Registry, types: Sequence[str], name: str, value: str, depth: int) -> Condition:
    parts = name.split(":", 3)
    if len(parts) != 4 or parts[1] not in TYPE_CODE:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: expected _has:Type:reference:parameter.")
    found = parameter(registry, [parts[1]], parts[2], name)
    if found.type != "reference":
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: {parts[2]} is not a reference.")
    inner = parse_condition(registry, [parts[1]], parts[3], value, depth + 1)
    return Has(parts[1], found, _unranked(parts[3], inner))


def _unranked(name: str, condition: Condition) -> Condition:
    """What orders the matches cannot stand inside a chain or an expression: there it would order something else."""
    if isinstance(condition, Ranked):
        raise FhirError(
            Problem.BAD_PARAMETER, f"{name}: this parameter cannot be chained, or stand in _filter."
        )
    return condition


def types(names: Sequence[str]) -> Types:
    """Resources of these types."""
    return Types(tuple(names))


def _ids(registry: Registry, names: Sequence[str], modifier: str, value: str) -> Condition:
    if modifier == "missing":
        return _always("_id:missing", value)
    if modifier not in ("", "not"):
        raise FhirError(Problem.BAD_PARAMETER, "_id knows the modifiers :missing, :not only.")
    return Ids(tuple(unescape(v) for v in split(value, ",") if v), modifier == "not")


def _updated(registry: Registry, names: Sequence[str], modifier: str, value: str) -> Condition:
    if modifier == "missing":
        return _always("_lastUpdated:missing", value)
    _refuse_modifier("_lastUpdated", modifier)
    return Updated(tuple(v for v in split(value, ",") if v))


def _always(name: str, value: str) -> Condition:
    """Every resource has one."""
    return Not(AllOf(())) if _boolean(name, value) else AllOf(())


def _refuse_modifier(name: str, modifier: str) -> None:
    if modifier:
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: the modifier :{modifier} is not known here.")


def _list(registry: Registry, names: Sequence[str], modifier: str, value: str) -> Condition:
    _refuse_modifier("_list", modifier)
    item = registry.get("List", "item")
    stored = item.stored if item else ()

    def make(name: str, text: str) -> Condition:
        return parse_condition(registry, names, name, text)

    wanted = [unescape(v) for v in split(value, ",") if v]
    return AnyOf(tuple(current(names, v, make) if v.startswith("$") else InList(v, stored) for v in wanted))


def _says(column: str, name: str) -> MakeSpecial:
    """`_text` asks the narrative, `_content` all that the resource says."""

    def condition(registry: Registry, names: Sequence[str], modifier: str, value: str) -> Condition:
        if modifier == "missing":
            nothing = Says(column, ())
            return nothing if _boolean(f"{name}:missing", value) else Not(nothing)
        if modifier:
            raise FhirError(Problem.BAD_PARAMETER, f"{name} knows the modifier :missing only.")
        return Says(column, tuple(parse_words(unescape(v), name) for v in split(value, ",") if v))

    return condition


def _filter(registry: Registry, names: Sequence[str], modifier: str, value: str) -> Condition:
    _refuse_modifier("_filter", modifier)
    return expression.parse_filter(value, lambda n, v: _unranked(n, parse_condition(registry, names, n, v)))


def _query(registry: Registry, names: Sequence[str], modifier: str, value: str) -> Condition:
    _refuse_modifier("_query", modifier)
    return named(names, value, lambda n, v: parse_condition(registry, names, n, v))


def _special(found: Parameter, name: str, value: str) -> Condition:
    if found.is_ranking:
        return Ranked(found, unescape(value))
    return AnyOf(tuple(_near(found, name, part) for part in split(value, ",") if part))


def _near(found: Parameter, name: str, value: str) -> Near:
    """latitude|longitude|distance|units, https://hl7.org/fhir/R4/location.html#search"""
    parts = [*split(value, "|"), "", ""]
    try:
        latitude, longitude = float(parts[0]), float(parts[1])
        distance = float(parts[2] or 50) * _KILOMETRES[parts[3] or "km"]
    except (ValueError, KeyError, IndexError):
        raise FhirError(
            Problem.BAD_PARAMETER, f"{name}: expected latitude|longitude|distance|units (km, m, [mi_us])."
        ) from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= distance < 1e9):
        raise FhirError(Problem.BAD_PARAMETER, f"{name}: latitude or longitude is out of range.")
    return Near(found, latitude, longitude, distance)


_KILOMETRES = {"km": 1.0, "m": 0.001, "[mi_us]": 1.609347, "mi": 1.609344, "[mi_i]": 1.609344}
_SPECIAL: dict[str, MakeSpecial] = {
    "_id": _ids,
    "_lastUpdated": _updated,
    "_list": _list,
    "_text": _says("narrative", "_text"),
    "_content": _says("content", "_content"),
    "_filter": _filter,
    "_query": _query,
}
OF_ALL = (*_SPECIAL, "_has")
"""What every resource type can be asked, beside the parameters that R4 gives all of them."""

"""A Consent -> rows of consent_rule, so that SQL can judge it: one row a provision, with what it inherits from its parents.

What cannot be put into a row never permits; of a denial it is left out, so that the denial covers more: in doubt nothing is shown.
https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.consent import BASE, PRIVACY, RESEARCH
from fhir_server.access.consent_rules import (
    ACTIONS,
    CONFIDENTIALITY,
    GROUPS,
    LEVELS,
    OTHER_ACTIONS,
    RESOURCE_TYPES,
    ROLES,
    codings,
    nested,
)
from fhir_server.access.consent_source import parted, reference_of
from fhir_server.access.period import span
from fhir_server.access.purpose import SYSTEM as PURPOSE_SYSTEM
from fhir_server.access.purpose import Purpose, and_broader
from fhir_server.access.sensitive import bit_of_label
from fhir_server.r4.definitions import TYPE_CODE

Json = Mapping[str, Any]
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
UNDERSTOOD = {
    "type", "period", "actor", "source", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data", "provision", "id",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A row; None means any. `codes` as `system|code`, `instances` and `sources` as `type code/id`, `actors` as `role|reference` (`*`: any)."""

    permits: bool
    valid: tuple[datetime, datetime] = (EARLIEST, LATEST)
    purposes: frozenset[str] | None = None
    actors: frozenset[str] | None = None
    types: frozenset[int] | None = None
    labels: int | None = None
    codes: frozenset[str] | None = None
    instances: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    data: tuple[datetime, datetime] | None = None
    node: int = 0
    parent: int | None = None
    in_doubt: bool = False


def rules(consent: Json) -> list[Rule]:
    """The rows of an active Consent on privacy or research; of any other none."""
    scopes = {code for _, code in codings(consent.get("scope"))}
    if consent.get("status") != "active" or not scopes & {PRIVACY, RESEARCH}:
        return []
    start = Rule(False, in_doubt="modifierExtension" in consent or "implicitRules" in consent)
    if PRIVACY not in scopes:
        start = replace(start, purposes=frozenset({Purpose.HRESCH.value}))
    said = {BASE[code] for _, code in codings(consent.get("policyRule")) if code in BASE}
    base = "deny" if "deny" in said else next(iter(said), "")
    provision = consent.get("provision", {})
    if not isinstance(provision, Mapping):
        provision = {"type": "deny"}
    found: list[Rule] = []
    _walk((provision,), start, base, None, found)
    return [rule for rule in found if not (rule.permits and rule.in_doubt)]


def _walk(path: tuple[Json, ...], start: Rule, base: str, parent: int | None, found: list[Rule]) -> None:
    """The last provision of the path, under the conditions of all of it; then its exceptions."""
    effect = path[-1].get("type", base)
    own: Rule | None = replace(start, permits=effect == "permit")
    for provision in path:
        own = _narrowed(parted(provision), own) if own else None
    if own is None:
        return
    node = len(found)
    if not effect:  # says nothing by itself: only its exceptions do
        own = replace(own, permits=True, in_doubt=True)
    found.append(replace(own, node=node, parent=parent))
    for inner in nested(path[-1]):
        _walk((*path, inner), start, "deny", node, found)


def _narrowed(provision: Json, rule: Rule) -> Rule | None:
    """The rule with this provision's conditions; None where it is not about access or use at all."""
    actions = {code for _, code in codings(provision.get("action"))}
    if actions and actions <= OTHER_ACTIONS:
        return None
    if set(provision) - UNDERSTOOD or ("action" in provision and not actions & ACTIONS):
        rule = replace(rule, in_doubt=True)
    for name, narrow in _NARROW.items():
        if name in provision:
            value = provision[name]
            rule = replace(rule, in_doubt=True) if _is_changed(value) else narrow(value, rule)
    return rule


def _is_changed(entries: Any) -> bool:
    """An extension changes the meaning of one of the actors, or of the data."""
    found = entries if isinstance(entries, list) else ()
    return any(isinstance(entry, Mapping) and "modifierExtension" in entry for entry in found)


def _period(value: Any, rule: Rule) -> Rule:
    if span(value) is None:
        return replace(rule, in_doubt=True)
    lo, hi = _span(value)
    return replace(rule, valid=(max(lo, rule.valid[0]), min(hi, rule.valid[1])))


def _span(value: Any) -> tuple[datetime, datetime]:
    found = span(value) if isinstance(value, Mapping) else None
    lo, hi = (found[0], found[1]) if found else (None, None)
    return (max(lo, EARLIEST) if lo else EARLIEST, min(hi, LATEST) if hi else LATEST)


def _purpose(value: Any, rule: Rule) -> Rule:
    known = {code for system, code in codings(value) if system in ("", PURPOSE_SYSTEM)}
    found = known & {*map(str, Purpose), "PurposeOfUse"}
    if known != found and not rule.permits:
        return replace(rule, in_doubt=True)
    if rule.purposes is not None:
        found = {c for c in found if _within(c, rule.purposes)} | {
            p for p in rule.purposes if _within(p, found)
        }
    return replace(rule, purposes=frozenset(found))


def _within(code: str, wider: Any) -> bool:
    return code in wider or (
        code in set(map(str, Purpose)) and bool(set(and_broader(Purpose(code))) & set(wider))
    )


def _actor(value: Any, rule: Rule) -> Rule:
    """A group may be one that the actor belongs to: a denial speaks of everybody in the role."""
    if rule.actors is not None and rule.permits:
        return replace(rule, in_doubt=True)
    found = set()
    for entry in value if isinstance(value, list) else ():
        roles = {role.value for _, code in codings(entry.get("role")) for role in ROLES.get(code, ())}
        reference = entry.get("reference")
        text = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
        text = text.partition("/_history/")[0]
        is_open = bool(reference) and (not text or "://" in text or text.partition("/")[0] in GROUPS)
        named = "*" if not reference or (is_open and not rule.permits) else text or "?"
        is_known = bool(roles) or not rule.permits
        found |= {f"{role}|{named}" for role in (roles or {"*"}) if is_known}
    return replace(rule, actors=frozenset(found))


def _class(value: Any, rule: Rule) -> Rule:
    pairs = codings(value)
    if not pairs or any(
        system not in ("", RESOURCE_TYPES) or code not in TYPE_CODE for system, code in pairs
    ):
        return replace(rule, in_doubt=True)
    found = frozenset(TYPE_CODE[code] for _, code in pairs)
    return replace(rule, types=found if rule.types is None else found & rule.types)


def _label(value: Any, rule: Rule) -> Rule:
    """Categories of ours are bits; a confidentiality and other labels are looked for among the resource's own."""
    pairs = codings(value)
    bits = 0
    for system, code in pairs:
        bits |= bit_of_label(system, code)
    others = [(system, code) for system, code in pairs if not bit_of_label(system, code)]
    if bits and not others:
        return replace(rule, labels=bits if rule.labels is None else bits & rule.labels)
    if rule.permits or bits or rule.codes is not None:
        return replace(rule, in_doubt=True)
    return replace(
        rule, codes=frozenset(f"{s}|{c}" for system, code in others for s, c in _at_least(system, code))
    )


def _at_least(system: str, code: str) -> Iterator[tuple[str, str]]:
    """To deny R is to deny V as well."""
    if system == CONFIDENTIALITY and code in LEVELS:
        yield from ((system, higher) for higher in LEVELS[LEVELS.index(code) :])
    else:
        yield system, code


def _code(value: Any, rule: Rule) -> Rule:
    if rule.codes is not None or not codings(value):
        return replace(rule, in_doubt=True)
    return replace(rule, codes=frozenset(f"{system}|{code}" for system, code in codings(value)))


def _data_period(value: Any, rule: Rule) -> Rule:
    is_unclear = rule.data is not None or span(value) is None
    return replace(rule, in_doubt=True) if is_unclear else replace(rule, data=_span(value))


def _data(value: Any, rule: Rule) -> Rule:
    """Only single instances, and whose work it is, can be told; `related` and the like stay in doubt."""
    entries = value if isinstance(value, list) else ()
    if entries and all(isinstance(e, Mapping) and e.get("meaning") == "authoredby" for e in entries):
        return _source(entries, rule)
    found = set()
    for entry in value if isinstance(value, list) else ():
        reference = entry.get("reference") if isinstance(entry, Mapping) else None
        text = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
        kind, _, logical_id = text.partition("/_history/")[0].partition("/")
        if kind not in TYPE_CODE or entry.get("meaning") != "instance":
            return replace(rule, in_doubt=True)
        found.add(f"{TYPE_CODE[kind]}/{logical_id}")
    return replace(rule, instances=frozenset(found))


def _source(value: Any, rule: Rule) -> Rule:
    """From whom it came; one who cannot be told is left in doubt."""
    named = [reference_of(entry).partition("/") for entry in value]
    if rule.sources is not None or not all(logical_id for _, _, logical_id in named):
        return replace(rule, in_doubt=True)
    return replace(rule, sources=frozenset(f"{TYPE_CODE[kind]}/{i}" for kind, _, i in named))


_NARROW = {
    "period": _period,
    "purpose": _purpose,
    "actor": _actor,
    "class": _class,
    "securityLabel": _label,
    "code": _code,
    "dataPeriod": _data_period,
    "data": _data,
    "source": _source,
}

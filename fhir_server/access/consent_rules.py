"""The conditions of a Consent provision, each as one row: does it match this use of this resource?

All conditions of a provision have to match; inside one condition any entry does. None: the record or the provision does not tell.
https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.access.actor import Actor, Role
from fhir_server.access.consent_source import is_from, parted
from fhir_server.access.period import Interval, contains, holds_at, interval, span
from fhir_server.access.purpose import SYSTEM as PURPOSE_SYSTEM
from fhir_server.access.purpose import Purpose, and_broader
from fhir_server.access.truth import Truth, every, some

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
LEVELS = "ULMNRV"
"""https://hl7.org/fhir/R4/v3/Confidentiality/cs.html, lowest first; a resource without a level is normal (N)."""

RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
MIME_TYPES = "urn:ietf:bcp:13"

ACTIONS = frozenset({"access", "use"})
"""What an answer, a page or a draft does with a record. https://hl7.org/fhir/R4/valueset-consent-action.html"""
OTHER_ACTIONS = frozenset({"collect", "disclose", "correct"})

ANY_ROLE = frozenset(Role)
ROLES: dict[str, frozenset[Role]] = {
    "IRCP": ANY_ROLE,
    "PRCP": ANY_ROLE,
    "GRANTEE": ANY_ROLE,
    "humanuser": ANY_ROLE - {Role.SYSTEM},
    "PAT": frozenset({Role.PATIENT}),
    "patient": frozenset({Role.PATIENT}),
    "PROV": frozenset({Role.CLINICIAN}),
    "clinician": frozenset({Role.CLINICIAN}),
    "staff": frozenset({Role.STAFF}),
}
"""Codes of Consent.provision.actor.role and the roles of ours that they speak of."""

GROUPS = frozenset({"Organization", "CareTeam", "Group", "PractitionerRole"})
"""What an actor may belong to without our knowing."""

MAIN_CODES = ("code", "category", "type", "class", "vaccineCode", "medicationCodeableConcept")
DATES = (
    "effectiveDateTime", "effectivePeriod", "effectiveInstant", "onsetDateTime", "onsetPeriod", "performedDateTime",
    "performedPeriod", "occurrenceDateTime", "occurrencePeriod", "period", "started", "authoredOn", "whenHandedOver", "date",
    "dateTime", "issued", "recordedDate", "recorded", "start", "created",
)  # fmt: skip
"""Where a resource says when it happened: the first that is there counts."""


@dataclass(frozen=True, slots=True)
class Use:
    """Who wants to use what, why and when.

    `groups`: references the actor belongs to, None where that is not known; `through`: the Device that acts for the actor.
    """

    purpose: Purpose
    actor: Actor
    now: datetime
    resource: Mapping[str, Any] | None = None
    groups: Collection[str] | None = None
    through: str = ""


def codings(concept: Any) -> list[tuple[str, str]]:
    """(system, code) of a Coding, a CodeableConcept or a list of them; what is malformed is left out."""
    if isinstance(concept, list):
        return [pair for item in concept for pair in codings(item)]
    if not isinstance(concept, Mapping):
        return []
    if "coding" in concept:
        return codings(concept["coding"])
    code = concept.get("code")
    return [(str(concept.get("system", "")), code)] if isinstance(code, str) else []


def _any(entries: Any, test: Callable[[Any], Truth]) -> Truth:
    return some(test(entry) for entry in entries) if isinstance(entries, list) and entries else None


def _period(value: Any, use: Use, effect: str) -> Truth:
    return holds_at(value, use.now)


def _purpose(value: Any, use: Use, effect: str) -> Truth:
    return _any(value, lambda coding: _is_purpose(coding, use.purpose))


def _is_purpose(coding: Any, asked: Purpose) -> Truth:
    found = codings(coding)
    if not found or found[0][0] not in ("", PURPOSE_SYSTEM):
        return None
    return found[0][1] in and_broader(asked)


def _action(value: Any, use: Use, effect: str) -> Truth:
    return _any(value, lambda concept: _any(codings(concept), _is_action))


def _is_action(pair: tuple[str, str]) -> Truth:
    return True if pair[1] in ACTIONS else False if pair[1] in OTHER_ACTIONS else None


def _actor(value: Any, use: Use, effect: str) -> Truth:
    return _any(value, lambda entry: _is_actor(entry, use))


def _is_actor(entry: Any, use: Use) -> Truth:
    if not isinstance(entry, Mapping) or "modifierExtension" in entry:
        return None
    return every([_has_role(entry.get("role"), use.actor.role), _is_referred(entry.get("reference"), use)])


def _has_role(concept: Any, role: Role) -> Truth:
    return _any(codings(concept), lambda pair: role in ROLES[pair[1]] if pair[1] in ROLES else None)


def _is_referred(reference: Any, use: Use) -> Truth:
    """Who is named in words or by identifier only stays in doubt; where nobody is named the role alone decides."""
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    if not isinstance(text, str):
        return None if reference else True
    text = text.partition("/_history/")[0]
    if text in _names(use):
        return True
    if "://" in text or text.startswith(("#", "urn:")):
        return None
    return None if text.partition("/")[0] in GROUPS and _groups_unknown(use) else False


def _names(use: Use) -> set[str]:
    own = {f"Patient/{use.actor.patient}"} if use.actor.role is Role.PATIENT else set()
    return (own | {use.actor.fhir_user, use.through} | set(use.groups or ())) - {""}


def _groups_unknown(use: Use) -> bool:
    return use.groups is None and use.actor.role is not Role.PATIENT


def _class(value: Any, use: Use, effect: str) -> Truth:
    return _any(value, lambda coding: _any(codings(coding), lambda pair: _is_class(pair, use.resource or {})))


def _is_class(pair: tuple[str, str], resource: Mapping[str, Any]) -> Truth:
    system, code = pair
    if system in ("", RESOURCE_TYPES):
        return resource.get("resourceType") == code
    if system == MIME_TYPES:
        return (
            None
            if resource.get("resourceType") in ("Binary", "DocumentReference", "DiagnosticReport", "Media")
            else False
        )
    return pair in _main_codings(resource)


def _code(value: Any, use: Use, effect: str) -> Truth:
    return _any(
        value, lambda concept: _any(codings(concept), lambda pair: _has_code(pair, use.resource or {}))
    )


def _has_code(pair: tuple[str, str], resource: Mapping[str, Any]) -> Truth:
    if pair in _main_codings(resource):
        return True
    uncoded = any(key in resource and not codings(resource[key]) for key in MAIN_CODES)
    return None if uncoded or "medicationReference" in resource or pair in _all_codings(resource) else False


def _main_codings(resource: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {pair for key in MAIN_CODES for pair in codings(resource.get(key))}


def _all_codings(value: Any) -> Iterator[tuple[str, str]]:
    children: Any = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if isinstance(value, Mapping):
        yield from codings(value)
    for child in children:
        yield from _all_codings(child)


def _label(value: Any, use: Use, effect: str) -> Truth:
    meta = (use.resource or {}).get("meta")
    labels = codings(meta.get("security")) if isinstance(meta, Mapping) else []
    return _any(value, lambda coding: _any(codings(coding), lambda pair: _has_label(pair, labels, effect)))


def _has_label(pair: tuple[str, str], labels: list[tuple[str, str]], effect: str) -> Truth:
    """A confidentiality is a mark on a scale: permit R means R and lower, deny R means R and higher."""
    if pair[0] != CONFIDENTIALITY:
        return pair in labels
    marks = [LEVELS.find(code) for system, code in labels if system == CONFIDENTIALITY] or [LEVELS.index("N")]
    mark = LEVELS.find(pair[1])
    if mark < 0 or min(marks) < 0:
        return None
    return max(marks) >= mark if effect == "deny" else max(marks) <= mark


def _data_period(value: Any, use: Use, effect: str) -> Truth:
    return contains(value, happened(use.resource or {}))


def happened(resource: Mapping[str, Any]) -> Interval | None:
    """When it happened, as the resource says it."""
    value = next((resource[key] for key in DATES if key in resource), None)
    return span(value) if isinstance(value, Mapping) else interval(value)


def _data(value: Any, use: Use, effect: str) -> Truth:
    return _any(value, lambda entry: _is_data(entry, use.resource or {}))


def _is_data(entry: Any, resource: Mapping[str, Any]) -> Truth:
    if not isinstance(entry, Mapping) or "modifierExtension" in entry:
        return None
    if entry.get("meaning") == "authoredby":
        return is_from(entry, resource)
    reference = entry.get("reference")
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    if not isinstance(text, str) or "://" in text:
        return None
    if text.partition("/_history/")[0] == f"{resource.get('resourceType')}/{resource.get('id')}":
        return True
    return False if entry.get("meaning") == "instance" else None


def _source(value: Any, use: Use, effect: str) -> Truth:
    return _any(value, lambda entry: is_from(entry, use.resource or {}))


Condition = Callable[[Any, Use, str], Truth]

OF_THE_USE: dict[str, Condition] = {
    "period": _period,
    "purpose": _purpose,
    "action": _action,
    "actor": _actor,
}
OF_THE_DATA: dict[str, Condition] = {
    "class": _class,
    "code": _code,
    "securityLabel": _label,
    "dataPeriod": _data_period,
    "data": _data,
    "source": _source,
}


def matches(provision: Mapping[str, Any], use: Use, effect: str) -> Truth:
    """All conditions that the provision states. An extension that changes its meaning leaves it in doubt."""
    provision = parted(provision)
    asked = {"modifierExtension": None} if "modifierExtension" in provision else {}
    use_parts = [test(provision[key], use, effect) for key, test in OF_THE_USE.items() if key in provision]
    return every([*asked.values(), *use_parts, _data_matches(provision, use, effect)])


def _data_matches(provision: Mapping[str, Any], use: Use, effect: str) -> Truth:
    stated = {key: test for key, test in OF_THE_DATA.items() if key in provision}
    if stated and use.resource is None:
        return effect != "deny"
    return every(test(provision[key], use, effect) for key, test in stated.items())


def is_narrowed(provision: Mapping[str, Any]) -> bool:
    """The provision, or one inside it, speaks of part of the data."""
    return speaks_of_data(provision) or any(is_narrowed(inner) for inner in nested(provision))


def speaks_of_data(provision: Mapping[str, Any]) -> bool:
    """It has a condition on the data itself."""
    return any(key in parted(provision) for key in OF_THE_DATA)


def nested(provision: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The exceptions to it."""
    inner = provision.get("provision")
    return [item for item in inner if isinstance(item, Mapping)] if isinstance(inner, list) else []

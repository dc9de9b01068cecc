"""Consent: do these Consents permit this use?

A provision's exceptions speak before it does, and deny wins over permit at the same level; so it is between Consents too.
Two questions: without a resource, may anything be used at all (`narrowed` says that each resource has to be asked about);
with a resource, may this one be used. Malformed or unknown conditions never permit.
https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from fhir_server.access.actor import Actor, Role
from fhir_server.access.consent_rules import Use, codings, is_narrowed, matches, nested, speaks_of_data
from fhir_server.access.purpose import Purpose
from fhir_server.access.truth import Truth, every

Mode = Literal["opt-in", "opt-out"]
"""opt-in: a Consent has to permit; opt-out: no Consent may deny."""

BASE: dict[str, str] = {"OPTIN": "permit", "OPTINR": "permit", "OPTOUT": "deny", "OPTOUTE": "deny"}
"""What Consent.policyRule says before its provisions. https://hl7.org/fhir/R4/v3/ActConsentDirective/vs.html"""

PRIVACY, RESEARCH = "patient-privacy", "research"


@dataclass(frozen=True, slots=True)
class Decision:
    """`consent`: the versioned reference of the Consent that decided; empty where the mode did."""

    permit: bool
    reason: str
    consent: str = ""
    narrowed: bool = False


def permits(
    consents: Sequence[Mapping[str, Any]],
    purpose: Purpose,
    actor: Actor,
    mode: Mode,
    now: datetime,
    *,
    patient: str = "",
    resource: Mapping[str, Any] | None = None,
    groups: Collection[str] | None = None,
    through: str = "",
) -> Decision:
    """Decide from all Consents of one patient (logical id `patient`; a patient-role actor's own when empty).

    `groups` and `through` as in Use: what the actor belongs to, and the Device that acts for the actor.
    """
    use = Use(purpose, actor, now, resource, groups, through)
    whose = patient or (actor.patient if actor.role is Role.PATIENT else "") or ""
    found = [(consent, _effect(consent, use, whose)) for consent in consents]
    for effect in ("deny", "permit"):
        if speaking := [consent for consent, said in found if said == effect]:
            return _decided(effect, speaking[0], purpose, _any_narrowed(consents, purpose, whose))
    return _undecided(mode, purpose, _any_narrowed(consents, purpose, whose))


def _decided(effect: str, consent: Mapping[str, Any], purpose: Purpose, narrowed: bool) -> Decision:
    reference, verb = _versioned(consent), "permits" if effect == "permit" else "denies"
    return Decision(effect == "permit", f"{reference} {verb} {purpose}", reference, narrowed)


def _undecided(mode: Mode, purpose: Purpose, narrowed: bool) -> Decision:
    if mode == "opt-out":
        return Decision(True, f"opt-out: no active Consent denies {purpose}", narrowed=narrowed)
    return Decision(False, f"opt-in: no active Consent permits {purpose}", narrowed=narrowed)


def _effect(consent: Mapping[str, Any], use: Use, patient: str) -> str | None:
    if consent.get("status") != "active":
        return None
    applies = _applies(consent, use.purpose, patient)
    said = None if applies is False else judge(_root(consent), use, _base(consent))
    return None if said == "permit" and applies is None else said


def _applies(consent: Mapping[str, Any], purpose: Purpose, patient: str) -> Truth:
    changed = None if "modifierExtension" in consent or "implicitRules" in consent else True
    return every([changed, _is_about(consent, patient), _has_scope(consent, purpose)])


def _is_about(consent: Mapping[str, Any], patient: str) -> Truth:
    subject = consent.get("patient")
    text = subject.get("reference") if isinstance(subject, Mapping) else None
    if not isinstance(text, str):
        return None
    return not patient or text.partition("/_history/")[0] == f"Patient/{patient}"


def _has_scope(consent: Mapping[str, Any], purpose: Purpose) -> Truth:
    scopes = {code for _, code in codings(consent.get("scope"))}
    wanted = {PRIVACY, RESEARCH} if purpose is Purpose.HRESCH else {PRIVACY}
    return bool(scopes & wanted) if scopes else None


def _root(consent: Mapping[str, Any]) -> Mapping[str, Any]:
    provision = consent.get("provision", {})
    return provision if isinstance(provision, Mapping) else {"type": "deny"}


def _base(consent: Mapping[str, Any]) -> str | None:
    said = {BASE[code] for _, code in codings(consent.get("policyRule")) if code in BASE}
    return "deny" if "deny" in said else next(iter(said), None)


def judge(provision: Mapping[str, Any], use: Use, base: str | None) -> str | None:
    """`permit`, `deny`, or None where the provision says nothing about the use; `base` is the effect of one without a type.

    An exception that denies part of the data denies nothing of the whole.
    """
    effect = provision.get("type", base)
    if effect not in ("permit", "deny", None):
        effect = "deny"
    matched = matches(provision, use, effect or "permit")
    if matched is False:
        return None
    said = [judge(inner, use, "deny") for inner in nested(provision)]
    if "deny" in said:
        return None if use.resource is None and speaks_of_data(provision) else "deny"
    if "permit" in said:
        return "permit" if matched else None
    return effect if matched or effect == "deny" else None


def _any_narrowed(consents: Sequence[Mapping[str, Any]], purpose: Purpose, patient: str) -> bool:
    counted = [
        c for c in consents if c.get("status") == "active" and _applies(c, purpose, patient) is not False
    ]
    return any(is_narrowed(_root(consent)) for consent in counted)


def _versioned(consent: Mapping[str, Any]) -> str:
    reference, meta = f"Consent/{consent.get('id', '')}", consent.get("meta")
    version = meta.get("versionId") if isinstance(meta, Mapping) else None
    return f"{reference}/_history/{version}" if version else reference

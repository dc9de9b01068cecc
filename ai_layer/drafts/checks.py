"""Checks of a refill, each deterministic: pass, warn or block, or unknown where the record lacks what the check needs. Pure.

`unknown` goes to the clinician like any other result, and is never a silent pass. Clinical tables: terminology (with source and date).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from fhir_server.r4.datatypes import parse_instant_or_partial
from terminology import lay, safety
from terminology.coding import best_text, codings_of

Json = dict[str, Any]
VISIT_WITHIN = timedelta(days=400)
"""A last visit longer ago than this is worth a word (about 13 months)."""
EARLY_SHARE = Decimal("0.75")
"""A refill before three quarters of the supply are used up is early (the usual limit of pharmacy benefit plans)."""


@dataclass(frozen=True, slots=True)
class Check:
    """`citations` are versioned references to what the result rests on."""

    name: str
    result: str
    text: str
    citations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refill:
    """What the checks look at: the order, and the patient's record by resource type; `now` is the clock's."""

    order: Json
    patient_id: str
    now: datetime
    record: dict[str, list[Json]] = field(default_factory=dict)

    def of(self, kind: str) -> list[Json]:
        """The record's resources of this type."""
        return self.record.get(kind, [])

    @property
    def ingredients(self) -> frozenset[str]:
        """The order's ingredients, as far as codes and words tell."""
        return ingredients_of(self.order)

    @property
    def classes(self) -> frozenset[str]:
        """Their drug classes."""
        return frozenset(lay.classes_of(self.ingredients))

    def active_orders(self) -> list[Json]:
        """The patient's other active orders."""
        every = (
            o
            for o in self.of("MedicationRequest")
            if o.get("status") == "active" and o.get("intent") in ORDERS
        )
        return [o for o in every if o["id"] != self.order["id"]]


ORDERS = ("order", "original-order", "reflex-order", "filler-order", "instance-order")


def reference(resource: Json) -> str:
    """Versioned."""
    return f"{resource['resourceType']}/{resource['id']}/_history/{resource['meta']['versionId']}"


def medication(resource: Json) -> Json:
    """The concept of what is ordered."""
    found = resource.get("medicationCodeableConcept") or resource.get("code")
    if isinstance(found, dict):
        return found
    shown = resource.get("medicationReference", {}).get("display")
    return {"text": shown} if shown else {}


def ingredients_of(resource: Json) -> frozenset[str]:
    """Ingredients of an order, or of an allergy's substance."""
    concept = medication(resource)
    return frozenset(lay.ingredients_of(codings_of(concept), best_text(concept))) if concept else frozenset()


def _own_order(refill: Refill) -> Check:
    subject = refill.order.get("subject", {}).get("reference", "")
    if subject.partition("/_history/")[0] == f"Patient/{refill.patient_id}":
        return Check("own-order", "pass", "The order is this patient's own.", (reference(refill.order),))
    return Check("own-order", "block", "The order is not this patient's.", (reference(refill.order),))


def _active_order(refill: Refill) -> Check:
    status, intent = refill.order.get("status", "unknown"), refill.order.get("intent", "unknown")
    cited = (reference(refill.order),)
    if status == "active" and intent in ORDERS:
        return Check("active-order", "pass", "The order is active.", cited)
    return Check(
        "active-order",
        "block",
        f"The order's status is {status} and its intent {intent}; only an active order is renewed.",
        cited,
    )


def _repeats(refill: Refill) -> Check:
    allowed = refill.order.get("dispenseRequest", {}).get("numberOfRepeatsAllowed")
    cited = (reference(refill.order), *(reference(d) for d in _dispenses(refill)))
    if not isinstance(allowed, int):
        return Check("repeats", "unknown", "The order does not say how many repeats it allows.", cited[:1])
    left = allowed + 1 - len(_dispenses(refill))
    if left > 0:
        return Check("repeats", "pass", f"{left} of {allowed + 1} supplies are left on the order.", cited)
    return Check(
        "repeats",
        "warn",
        f"All {allowed + 1} supplies of the order have been given; a renewal is a new decision.",
        cited,
    )


def _dispenses(refill: Refill) -> list[Json]:
    own = f"MedicationRequest/{refill.order['id']}"
    found = [d for d in refill.of("MedicationDispense") if d.get("status") == "completed"]
    return [
        d
        for d in found
        if any(
            p.get("reference", "").partition("/_history/")[0] == own
            for p in d.get("authorizingPrescription", ())
        )
    ]


def _validity(refill: Refill) -> Check:
    period = refill.order.get("dispenseRequest", {}).get("validityPeriod", {})
    cited = (reference(refill.order),)
    if "end" not in period:
        return Check("validity", "unknown", "The order does not say how long it is valid.", cited)
    end = parse_instant_or_partial(period["end"]).hi
    if end > refill.now:
        return Check("validity", "pass", f"The order is valid until {period['end'][:10]}.", cited)
    return Check("validity", "warn", f"The order was valid until {period['end'][:10]}.", cited)


def _too_early(refill: Refill) -> Check:
    dated = [(d["whenHandedOver"], d) for d in _dispenses(refill) if "whenHandedOver" in d]
    if not dated:
        return Check(
            "too-early",
            "unknown",
            "The record has no supply of this order with a date.",
            (reference(refill.order),),
        )
    handed, last = max(dated, key=lambda pair: parse_instant_or_partial(pair[0]).lo)
    days = last.get("daysSupply", {}).get("value")
    cited = (reference(last),)
    if not isinstance(days, (int, Decimal)):
        return Check("too-early", "unknown", "The last supply does not say for how many days it is.", cited)
    used = (refill.now - parse_instant_or_partial(handed).lo).days
    if used >= int(days * EARLY_SHARE):
        return Check("too-early", "pass", f"The last supply was {used} days ago, for {days} days.", cited)
    return Check(
        "too-early",
        "warn",
        f"The last supply was {used} days ago and is for {days} days; this is early.",
        cited,
    )


def _controlled(refill: Refill) -> Check:
    cited = (reference(refill.order),)
    if not refill.ingredients:
        return Check("controlled", "unknown", "The medicine's ingredients are not known here.", cited)
    schedules = [f.schedule for i in refill.ingredients if (f := lay.facts_of(i)) and f.schedule]
    if schedules:
        return Check(
            "controlled",
            "block",
            f"The medicine is a controlled substance ({schedules[0]}); a visit is needed.",
            cited,
        )
    return Check("controlled", "pass", "The medicine is in no schedule of controlled substances.", cited)


def _allergy(refill: Refill) -> Check:
    """The same ingredient, or a class that crosses with it."""
    if not refill.ingredients:
        return Check(
            "allergy", "unknown", "The medicine's ingredients are not known here.", (reference(refill.order),)
        )
    allergies = [
        a
        for a in refill.of("AllergyIntolerance")
        if _status(a, "clinicalStatus") != "resolved"
        and _status(a, "verificationStatus") not in ("refuted", "entered-in-error")
    ]
    for allergy in allergies:
        if reason := _crosses(refill, allergy):
            return Check("allergy", "block", reason, (reference(allergy), reference(refill.order)))
    unclear = [a for a in allergies if "medication" in a.get("category", ()) and not ingredients_of(a)]
    if unclear:
        return Check(
            "allergy",
            "unknown",
            "The record has a medicine allergy whose substance is not known here.",
            tuple(map(reference, unclear)),
        )
    return Check(
        "allergy",
        "pass",
        "No recorded allergy is to this medicine or its kind.",
        tuple(map(reference, allergies)),
    )


def _crosses(refill: Refill, allergy: Json) -> str:
    substance = ingredients_of(allergy)
    if substance & refill.ingredients:
        return f"The record lists an allergy to {best_text(medication(allergy))}, which is in this medicine."
    crossed = safety.cross_allergy(substance | _named_classes(allergy), refill.ingredients)
    return f"The record lists an allergy to {best_text(medication(allergy))}; {crossed}" if crossed else ""


def _named_classes(allergy: Json) -> frozenset[str]:
    """An allergy to a whole class (`penicillins`) is named by its words."""
    return frozenset(safety.classes_named(best_text(medication(allergy))))


def _status(resource: Json, name: str) -> str:
    return next((c.code or "" for c in codings_of(resource.get(name))), "")


def _interaction(refill: Refill) -> Check:
    if not refill.ingredients:
        return Check(
            "interaction",
            "unknown",
            "The medicine's ingredients are not known here.",
            (reference(refill.order),),
        )
    others = refill.active_orders()
    for other in others:
        if found := safety.interaction(refill.ingredients, ingredients_of(other)):
            return Check(
                "interaction",
                "warn",
                f"Together with {best_text(medication(other))}: {found}",
                (reference(refill.order), reference(other)),
            )
    unclear = [o for o in others if not ingredients_of(o)]
    if unclear:
        return Check(
            "interaction",
            "unknown",
            "Another active medicine is not known here.",
            tuple(map(reference, unclear)),
        )
    return Check(
        "interaction",
        "pass",
        "No severe interaction with the other active medicines is known here.",
        tuple(map(reference, others)),
    )


def _duplicate(refill: Refill) -> Check:
    if not refill.ingredients:
        return Check(
            "duplicate",
            "unknown",
            "The medicine's ingredients are not known here.",
            (reference(refill.order),),
        )
    same = [o for o in refill.active_orders() if ingredients_of(o) & refill.ingredients]
    if same:
        return Check(
            "duplicate", "warn", "Another active order has the same ingredient.", tuple(map(reference, same))
        )
    alike = [
        o for o in refill.active_orders() if frozenset(lay.classes_of(ingredients_of(o))) & refill.classes
    ]
    if alike:
        return Check(
            "duplicate", "warn", "Another active order is of the same class.", tuple(map(reference, alike))
        )
    return Check(
        "duplicate", "pass", "No other active order is of the same kind.", (reference(refill.order),)
    )


_PREGNANT = frozenset(["72892002", "77386006", "Z33.1"])
"""SNOMED CT normal pregnancy, pregnant; ICD-10-CM pregnant state."""


def _pregnancy(refill: Refill) -> Check:
    active = [
        c
        for c in refill.of("Condition")
        if _status(c, "clinicalStatus") in ("active", "recurrence", "relapse")
    ]
    pregnant = [c for c in active if any(k.code in _PREGNANT for k in codings_of(c.get("code")))]
    if not pregnant:
        return Check("pregnancy", "pass", "The record holds no current pregnancy.", ())
    concerns = [f.pregnancy for i in refill.ingredients if (f := lay.facts_of(i)) and f.pregnancy]
    if not refill.ingredients:
        return Check(
            "pregnancy",
            "unknown",
            "The record holds a pregnancy, and the medicine is not known here.",
            tuple(map(reference, pregnant)),
        )
    if concerns:
        level = "block" if any(c.level == "contraindicated" for c in concerns) else "warn"
        return Check(
            "pregnancy",
            level,
            f"The record holds a pregnancy, and the label says: {concerns[0].level}.",
            tuple(map(reference, pregnant)),
        )
    return Check(
        "pregnancy",
        "warn",
        "The record holds a pregnancy; nothing is known here against the medicine.",
        tuple(map(reference, pregnant)),
    )


def _monitoring(refill: Refill) -> Check:
    rules = safety.monitoring(refill.ingredients)
    if not refill.ingredients:
        return Check(
            "monitoring",
            "unknown",
            "The medicine's ingredients are not known here.",
            (reference(refill.order),),
        )
    cited: list[str] = []
    for rule in rules:
        results = [
            o
            for o in refill.of("Observation")
            if any(c.code in rule.codes for c in codings_of(o.get("code")))
        ]
        latest = max(results, key=lambda o: _moment(o) or _EVER, default=None)
        if latest is None:
            return Check(
                "monitoring",
                "unknown",
                f"The record has no {rule.name}, which this medicine calls for.",
                (reference(refill.order),),
            )
        cited.append(reference(latest))
        if (_moment(latest) or _EVER) < refill.now - timedelta(days=rule.days):
            return Check(
                "monitoring",
                "warn",
                f"The last {rule.name} is more than {rule.days} days old.",
                (reference(latest),),
            )
        if said := rule.outside(latest):
            return Check("monitoring", "warn", f"The last {rule.name} is {said}.", (reference(latest),))
    if not rules:
        return Check("monitoring", "pass", "No laboratory monitoring rule stands here for this medicine.", ())
    return Check("monitoring", "pass", "The results that this medicine calls for are there.", tuple(cited))


_EVER = datetime.min.replace(tzinfo=parse_instant_or_partial("2000").lo.tzinfo)


def _moment(resource: Json) -> datetime | None:
    text = (
        resource.get("effectiveDateTime") or resource.get("issued") or resource.get("period", {}).get("start")
    )
    return parse_instant_or_partial(text).lo if isinstance(text, str) else None


def _last_visit(refill: Refill) -> Check:
    visits = [(m, e) for e in refill.of("Encounter") if (m := _moment(e)) and e.get("status") != "cancelled"]
    if not visits:
        return Check("last-visit", "unknown", "The record has no visit with a date.", ())
    moment, visit = max(visits, key=lambda pair: pair[0])
    days = (refill.now - moment).days
    result = "pass" if refill.now - moment <= VISIT_WITHIN else "warn"
    return Check("last-visit", result, f"The last visit was {days} days ago.", (reference(visit),))


REFILL_CHECKS: tuple[Callable[[Refill], Check], ...] = (
    *(_own_order, _active_order, _repeats, _validity, _too_early, _controlled),
    *(_allergy, _interaction, _duplicate, _pregnancy, _monitoring, _last_visit),
)


def refill_checks(refill: Refill) -> list[Check]:
    """All of them, always in the same order."""
    return [check(refill) for check in REFILL_CHECKS]


def blocking(checks: Sequence[Check]) -> list[Check]:
    """Those that let no draft be made."""
    return [check for check in checks if check.result == "block"]

"""Check `pregnancy`: what the medicine's label says on pregnancy, and what the record says about one.

A pregnancy stands in a Condition or in a pregnancy status (LOINC 82810-3). Labels stand in terminology (lay entries of medicines).
"""

from __future__ import annotations

from datetime import timedelta

from ai_layer.drafts.checks.finding import Finding, blocks, passes, unknown, warns
from ai_layer.drafts.checks.medicine import Medicine, medicine_of
from ai_layer.drafts.checks.reading import Json, began, codes, when
from ai_layer.drafts.checks.record import RecordView
from terminology.coding import codings_of

PREGNANT = frozenset(["72892002", "77386006", "47200007", "LA15173-0"])
"""SNOMED CT: normal pregnancy, pregnant, high risk pregnancy; LOINC's answer."""
NOT_PREGNANT = frozenset(["60001007", "LA26683-5"])
PREGNANT_ICD = ("Z33.1", "Z34", "Z3A", "O09", "O1", "O2", "O3", "O4")
"""ICD-10-CM: pregnant state, supervision, weeks, and complications before the birth."""
STATUS_CODES = ("82810-3", "11449-6")
BIRTH_CODES = ("11778-8", "11779-6", "11780-4")
"""LOINC: the day on which the birth is expected, as estimated, by the last period, by ultrasound."""
LATE = timedelta(days=21)
"""How long after that day a child may still be born."""
LASTS = timedelta(days=300)
"""A pregnancy that was noted longer ago and never closed is over, but nobody said so."""
STATUS_LASTS = timedelta(days=30)
"""How long `not pregnant` is good for."""
AGES = (12, 55)
FINAL = frozenset(["final", "amended", "corrected", "preliminary"])


def pregnancy(view: RecordView) -> Finding:
    """No concern, or no pregnancy; where a concern stands and the record is silent, unknown."""
    medicine = medicine_of(view.order, view.medications)
    noted = _noted(view)
    if current := [each for each in noted if not _is_old(each, view)]:
        return _while_pregnant(medicine, current)
    if medicine.is_known and not _concerns(medicine):
        return passes("No concern about this medicine in pregnancy is known here.", view.order)
    if noted:
        return unknown("The record holds a pregnancy that was noted long ago and never closed.", *noted)
    if status := _says_no(view):
        return passes("The record says that there is no pregnancy.", status)
    if view.patient is not None and not _may_be(view.patient, view):
        return passes("By sex and age in the record, a pregnancy is not to be expected.", view.patient)
    if not medicine.is_known:
        return unknown("It is not known here what the medicine is made of.", view.order)
    text = "The medicine's label speaks against it in pregnancy, and the record does not say whether there is one."
    return unknown(text, view.order)


def _while_pregnant(medicine: Medicine, noted: list[Json]) -> Finding:
    concerns = _concerns(medicine)
    if "contraindicated" in concerns:
        return blocks("The record holds a pregnancy, in which the medicine is contraindicated.", *noted)
    if concerns:
        return warns("The record holds a pregnancy, in which the label asks for caution.", *noted)
    if not medicine.is_known:
        return unknown("The record holds a pregnancy, and the medicine is not known here.", *noted)
    return warns("The record holds a pregnancy; nothing is known here against the medicine.", *noted)


def _concerns(medicine: Medicine) -> list[str]:
    return [facts.pregnancy.level for facts in medicine.facts if facts.pregnancy]


def _noted(view: RecordView) -> list[Json]:
    """Active Conditions, the last pregnancy status, and expected days of birth that say so."""
    conditions = [each for each in view.conditions if _is_active(each) and _is_pregnancy(each.get("code"))]
    status = _last_status(view)
    said = codes(status.get("valueCodeableConcept")) if status else frozenset()
    births = [each for each in view.observations if _is_expecting(each, view)]
    return [*conditions, *([status] if status and said & PREGNANT else []), *births]


def _is_expecting(observation: Json, view: RecordView) -> bool:
    """A day of birth that lies ahead, or is hardly past."""
    day = when(observation.get("valueDateTime"))
    is_one = codes(observation.get("code")) & set(BIRTH_CODES) and observation.get("status") in FINAL
    return bool(is_one) and day is not None and view.now - LATE < day.hi <= view.now + LASTS


def _is_active(condition: Json) -> bool:
    if codes(condition.get("verificationStatus")) & {"refuted", "entered-in-error"}:
        return False
    is_over = any(name.startswith("abatement") for name in condition)
    return not is_over and not codes(condition.get("clinicalStatus")) & {"inactive", "remission", "resolved"}


def _is_pregnancy(concept: object) -> bool:
    found = codings_of(concept if isinstance(concept, dict) else None)
    return any(c.code in PREGNANT or ("icd" in c.system and c.code.startswith(PREGNANT_ICD)) for c in found)


def _is_old(noted: Json, view: RecordView) -> bool:
    start = began(noted, "onsetDateTime", "onsetPeriod", "effectiveDateTime", "recordedDate")
    return start is not None and view.now - start > LASTS


def _last_status(view: RecordView) -> Json | None:
    dated = [
        (moment, each)
        for each in view.observations
        if codes(each.get("code")) & set(STATUS_CODES)
        and each.get("status") in FINAL
        and (moment := began(each, "effectiveDateTime", "issued"))
    ]
    past = [pair for pair in dated if pair[0] <= view.now]
    return max(past, key=lambda pair: pair[0])[1] if past else None


def _says_no(view: RecordView) -> Json | None:
    status = _last_status(view)
    moment = began(status, "effectiveDateTime", "issued") if status else None
    if status is None or moment is None or view.now - moment > STATUS_LASTS:
        return None
    return status if codes(status.get("valueCodeableConcept")) & NOT_PREGNANT else None


def _may_be(patient: Json, view: RecordView) -> bool:
    """False only where the record itself rules it out."""
    born = when(patient.get("birthDate"))
    if patient.get("gender") == "male":
        return False
    if born is None:
        return True
    oldest, youngest = ((view.now - moment).days / 365.25 for moment in (born.lo, born.hi))
    return youngest < AGES[1] + 1 and oldest >= AGES[0]

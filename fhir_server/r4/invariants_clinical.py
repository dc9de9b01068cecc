"""Invariants of clinical, administrative and financial resources.

https://hl7.org/fhir/R4/resourcelist.html, at the foot of each page.
"""

from __future__ import annotations

from fhir_server.r4.invariant_forms import (
    Object,
    Rule,
    all_of,
    any_of,
    both_or_none,
    codings,
    each,
    is_after,
    is_coded,
    items,
    needs,
    none_of,
    not_both,
    one_of,
    unless,
    when,
)

_HL7 = "http://terminology.hl7.org/CodeSystem/"
_ERROR = ("entered-in-error",)


def _is_allergy_in_error(value: Object) -> bool:
    return is_coded(value.get("verificationStatus"), _HL7 + "allergyintolerance-verification", _ERROR)


def _is_condition_in_error(value: Object) -> bool:
    return is_coded(value.get("verificationStatus"), _HL7 + "condition-ver-status", _ERROR)


def _is_problem(value: Object) -> bool:
    return is_coded(value.get("category"), _HL7 + "condition-category", ("problem-list-item",))


def _is_over(value: Object) -> bool:
    return is_coded(
        value.get("clinicalStatus"), _HL7 + "condition-clinical", ("resolved", "remission", "inactive")
    )


def _says_own_code_once(observation: Object) -> bool:
    """The code of an observation with a value is no component's code too."""
    if "component" not in observation or not has_value(observation):
        return True
    own = codings(observation.get("code"))
    return not any(
        coding in own for part in items(observation, "component") for coding in codings(part.get("code"))
    )


has_value = any_of("value[x]").holds
_has_abatement = any_of("abatement[x]").holds
_has_clinical_status = any_of("clinicalStatus").holds
_IN_ERROR = "unless the verificationStatus is entered-in-error"

CLINICAL: dict[str, Rule] = {
    # observations
    "obs-3": any_of("low", "high", "text"),
    "obs-6": not_both("dataAbsentReason", "value[x]"),
    "obs-7": Rule(
        _says_own_code_once, "A component with the observation's own code leaves the value to the component."
    ),
    "msq-3": Rule(lambda v: v.get("coordinateSystem") in (0, 1), "coordinateSystem is 0 or 1."),
    "msq-5": both_or_none("chromosome", "genomeBuild"),
    "msq-6": one_of("genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString"),
    # conditions, allergies, risks
    "con-1": any_of("summary", "assessment"),
    "con-2": any_of("code", "detail"),
    "con-3": Rule(
        lambda v: not _is_problem(v) or _has_clinical_status(v) or _is_condition_in_error(v),
        f"A problem-list-item has a clinicalStatus, {_IN_ERROR}.",
    ),
    "con-4": Rule(
        lambda v: not _has_abatement(v) or _is_over(v),
        "A condition that has abated has the clinicalStatus resolved, remission or inactive.",
    ),
    "con-5": Rule(
        lambda v: not (_is_condition_in_error(v) and _has_clinical_status(v)),
        "An entered-in-error condition has no clinicalStatus.",
    ),
    "ait-1": Rule(
        lambda v: _has_clinical_status(v) or _is_allergy_in_error(v),
        f"An allergy has a clinicalStatus, {_IN_ERROR}.",
    ),
    "ait-2": Rule(
        lambda v: not (_is_allergy_in_error(v) and _has_clinical_status(v)),
        "An entered-in-error allergy has no clinicalStatus.",
    ),
    "fhs-1": not_both("age[x]", "born[x]"),
    "fhs-2": needs("estimatedAge", "age[x]"),
    "gol-1": needs("detail[x]", "measure"),
    "ras-2": Rule(lambda v: v.get("probabilityDecimal", 0) <= 100, "A probability is 100 or less."),
    # people and organisations
    "pat-1": any_of("name", "telecom", "address", "organization"),
    "org-1": any_of("identifier", "name"),
    "ipn-1": any_of("identifier", "name"),
    "grp-1": unless("actual", True, none_of("member")),
    "lnk-1": Rule(lambda v: len(v.get("item", ())) > 1, "There are two items or more."),
    # care
    "app-1": any_of("type", "actor"),
    "app-2": both_or_none("start", "end"),
    "app-3": unless("status", "proposed cancelled waitlist", all_of(any_of("start"), any_of("end"))),
    "app-4": unless("status", "no-show cancelled", none_of("cancelationReason")),
    "apr-1": any_of("participantType", "actor"),
    "cpl-3": not_both("detail", "reference"),
    "lst-1": not_both("emptyReason", "entry"),
    "lst-2": unless("mode", "changes", each("entry", none_of("deleted"))),
    "lst-3": unless("mode", "working", each("entry", none_of("date"))),
    "prr-1": needs("orderDetail", "code"),
    "nor-1": any_of("oralDiet", "supplement", "enteralFormula"),
    "rqg-1": one_of("resource", "action"),
    "Task.inv-1": Rule(
        lambda v: not is_after(v.get("authoredOn"), v.get("lastModified")),
        "lastModified is not before authoredOn.",
    ),
    "ppc-1": any_of("policy", "policyRule"),
    # medicines and vaccines
    "mad-1": any_of("dose", "rate[x]"),
    "mdd-1": Rule(
        lambda v: not is_after(v.get("whenPrepared"), v.get("whenHandedOver")),
        "whenHandedOver is not before whenPrepared.",
    ),
    "imm-1": any_of("documentType", "reference"),
    "imr-1": any_of("vaccineCode", "targetDisease"),
    # finance and measures
    "ces-1": one_of("category", "productOrService"),
    "mrp-1": when("type", "data-collection", none_of("group")),
}

"""deidentified: a resource by Safe Harbor, element by element as R4 defines them; what is not known to be harmless goes.

An element that R4 needs and that had to go says so: data-absent-reason `masked`. https://hl7.org/fhir/R4/extension-data-absent-reason.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.deidentify.rules import rules
from fhir_server.deidentify.values import GONE, OLDEST, VALUES, Json, Run
from fhir_server.r4.definitions import TYPE_CODE, Element, codes, elements

MASKED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
LABEL = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PSEUDED",
    "display": "pseudonymized",
}
DROPPED = ("id", "meta", "text", "implicitRules", "modifierExtension", "resourceType", "contained")


def deidentified(resource: Json, run: Run) -> Json | None:
    """The resource; None where nothing of it may go out, or where an extension that is taken out would change what it says."""
    kind = resource.get("resourceType")
    if kind not in rules().types or _has_modifier(resource):
        return None
    return {**_cleaned(resource, run), "meta": {"security": [LABEL]}}


def _has_modifier(element: Any) -> bool:
    if isinstance(element, list):
        return any(map(_has_modifier, element))
    if not isinstance(element, Mapping):
        return False
    return (
        "modifierExtension" in element
        or "implicitRules" in element
        or any(map(_has_modifier, element.values()))
    )


def _cleaned(resource: Json, run: Run, contained: bool = False) -> Json:
    kind = resource["resourceType"]
    logical_id = str(resource.get("id", ""))
    made = run.pseudonyms.of(f"#{logical_id}") if contained else run.pseudonyms.logical_id(kind, logical_id)
    run.removed["narrative"] += "text" in resource
    kept: Json = {"resourceType": kind, "id": made, **_members(kind, resource, run)}
    inner = [each for each in resource.get("contained", ()) if each.get("resourceType") in TYPE_CODE]
    if inner:
        kept["contained"] = [_cleaned(each, run, contained=True) for each in inner]
    return _mended(kind, kept, resource, run)


def _members(path: str, element: Mapping[str, Any], run: Run) -> Json:
    """The members that stay, and marks for those that R4 needs."""
    defined, kept = elements(path), dict[str, Any]()
    for name, value in element.items():
        rule = defined.get(name)
        if rule is None or name in DROPPED:
            continue
        found = _member(path, rule, value, run)
        if found is not GONE:
            kept[name] = found
        elif rule.min or f"{path}.{name}" in rules().mask:
            kept |= _masked(rule)
    return kept


def _member(path: str, rule: Element, value: Any, run: Run) -> Any:
    if kind := rules().remove.get(f"{path}.{rule.name}"):
        return run.without(kind)
    if rule.is_list and isinstance(value, list):
        found = [one for each in value if (one := _value(path, rule, each, run)) is not GONE]
        return found or GONE
    return _value(path, rule, value, run)


def _value(path: str, rule: Element, value: Any, run: Run) -> Any:
    if f"{path}.{rule.name}" in rules().strings:
        return VALUES["code"](value, run)
    if rule.type == "code" and rule.binding and value in (codes(rule.binding[1]) or ()):
        return value
    if rule.type == "Extension":
        return _extension(value, run)
    if handler := VALUES.get(rule.type):
        return handler(value, run)
    if not isinstance(value, Mapping):
        return run.without("free text")
    return _members(rule.path, value, run) or GONE


def _extension(value: Any, run: Run) -> Any:
    if not isinstance(value, Mapping) or value.get("url") not in rules().extensions:
        return run.without("extension")
    kept = {"url": value["url"], **{n: v for n, v in _members("Extension", value, run).items() if n != "url"}}
    return kept if len(kept) > 1 else run.without("extension")


def _masked(rule: Element) -> Json:
    is_primitive = rule.type[:1].islower()
    mark: Any = {"extension": [MASKED]}
    return {("_" if is_primitive else "") + rule.name: [mark] if rule.is_list else mark}


def _mended(kind: str, kept: Json, resource: Json, run: Run) -> Json:
    """What R4's invariants ask for beside cardinalities, and ages that are no Quantity."""
    if kind == "Organization" and "identifier" not in kept:
        kept["identifier"] = [{"value": kept["id"]}]
    if kind == "Observation":
        _mend_observation(kept, run)
    return kept


def _mend_observation(kept: Json, run: Run) -> None:
    for part in (kept, *kept.get("component", ())):
        ranges = [r for r in part.pop("referenceRange", ()) if "low" in r or "high" in r]
        if ranges:
            part["referenceRange"] = ranges
        codes = {coding["code"] for coding in part.get("code", {}).get("coding", ())}
        if codes & rules().age_codes and part.get("valueInteger", 0) > OLDEST:
            del part["valueInteger"]
            run.removed["age over 89"] += 1

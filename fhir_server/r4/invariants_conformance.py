"""Invariants of Bundles, conformance resources, terminology, questionnaires and documents.

https://hl7.org/fhir/R4/resourcelist.html, at the foot of each page.
"""

from __future__ import annotations

from fhir_server.r4.invariant_forms import (
    Object,
    Rule,
    all_of,
    any_of,
    distinct,
    each,
    items,
    needs,
    none_of,
    not_both,
    one_of,
    unless,
    when,
)


def _is_preferred_once(value: Object) -> bool:
    found = [item.get("type") for item in items(value, "uniqueId") if item.get("preferred") is True]
    return len(found) == len(set(found))


def _is_described(binding: Object | None) -> bool:
    return binding is None or "valueSet" in binding or "description" in binding


def _is_distinct(value: Object, name: str, member: str) -> bool:
    """No member twice in the whole tree of items."""
    found: list[str] = []
    stack = [value]
    while stack:
        for item in items(stack.pop(), name):
            found.append(item.get(member, ""))
            stack.append(item)
    return len(found) == len(set(found))


def _is_told_once(bundle: Object) -> bool:
    found = [(entry["fullUrl"], _version(entry)) for entry in items(bundle, "entry") if "fullUrl" in entry]
    return len(found) == len(set(found))


def _version(entry: Object) -> str:
    return str(entry.get("resource", {}).get("meta", {}).get("versionId", ""))


def _is_identified(bundle: Object) -> bool:
    return bool(bundle.get("identifier", {}).keys() >= {"system", "value"})


def _first(bundle: Object) -> str:
    """The type of the first entry's resource."""
    entries = items(bundle, "entry")
    return str(entries[0].get("resource", {}).get("resourceType", "")) if entries else ""


CONFORMANCE: dict[str, Rule] = {
    # exchange
    "bdl-1": unless("type", "searchset history", none_of("total")),
    "bdl-2": unless("type", "searchset", each("entry", none_of("search"))),
    "bdl-3": all_of(
        when("type", "batch transaction history", each("entry", any_of("request"))),
        unless("type", "batch transaction history", each("entry", none_of("request"))),
    ),
    "bdl-4": all_of(
        when("type", "batch-response transaction-response history", each("entry", any_of("response"))),
        unless("type", "batch-response transaction-response history", each("entry", none_of("response"))),
    ),
    "bdl-5": any_of("resource", "request", "response"),
    "bdl-7": unless(
        "type", "history", Rule(_is_told_once, "No two entries have one fullUrl and one version.")
    ),
    "bdl-8": Rule(lambda v: "/_history/" not in v.get("fullUrl", ""), "fullUrl names no version."),
    "bdl-9": when("type", "document", Rule(_is_identified, "identifier has system and value.")),
    "bdl-10": when("type", "document", any_of("timestamp")),
    "bdl-11": when(
        "type", "document", Rule(lambda v: _first(v) == "Composition", "The first entry is a Composition.")
    ),
    "bdl-12": when(
        "type", "message", Rule(lambda v: _first(v) == "MessageHeader", "The first entry is a MessageHeader.")
    ),
    "Parameters.inv-1": one_of("value[x]", "resource", "part"),
    "sev-1": not_both("name", "query"),
    "md-1": Rule(lambda v: "max" not in v or v["max"] == "*" or v["max"] > "0", "max is * or more than 0."),
    # conformance
    "cpb-1": any_of("rest", "messaging", "document"),
    "cpb-2": any_of("description", "software", "implementation"),
    "cpb-3": unless("kind", "instance", each("messaging", none_of("endpoint"))),
    "cpb-7": distinct("document", "profile", "mode"),
    "cpb-9": distinct("resource", "type"),
    "cpb-12": distinct("searchParam", "name"),
    "cpb-14": when("kind", "instance", any_of("implementation")),
    "cpb-15": when("kind", "capability", all_of(none_of("implementation"), any_of("software"))),
    "cpb-16": when("kind", "requirements", none_of("implementation", "software")),
    "tcp-2": any_of("description", "software", "implementation"),
    "tcp-3": when("kind", "instance", any_of("implementation")),
    "tcp-4": when("kind", "capability", all_of(none_of("implementation"), any_of("software"))),
    "tcp-5": when("kind", "requirements", none_of("implementation", "software")),
    "opd-1": any_of("type", "part"),
    "opd-2": unless("type", "string", none_of("searchType")),
    "opd-3": unless("type", "Reference canonical", none_of("targetProfile")),
    "spd-1": needs("xpath", "xpathUsage"),
    "spd-2": unless("type", "reference", none_of("chain")),
    "nsd-1": when("kind", "root", each("uniqueId", unless("type", "oid uri other", none_of("type")))),
    "nsd-2": Rule(_is_preferred_once, "One uniqueId of a type is preferred at most."),
    # terminology
    "csd-1": Rule(lambda v: _is_distinct(v, "concept", "code"), "Each code is there once."),
    "cmd-1": when("equivalence", "narrower inexact", any_of("comment")),
    "cmd-2": when("mode", "fixed", any_of("code")),
    "cmd-3": when("mode", "other-map", any_of("url")),
    "vsd-1": any_of("valueSet", "system"),
    "vsd-2": all_of(needs("concept", "system"), needs("filter", "system")),
    "vsd-3": not_both("concept", "filter"),
    "vsd-6": any_of("code", "display"),
    "vsd-9": unless("abstract", True, any_of("code")),
    "vsd-10": needs("code", "system"),
    # structures
    "sdf-2": any_of("name", "uri"),
    "sdf-4": unless("abstract", True, any_of("baseDefinition")),
    "sdf-6": any_of("snapshot", "differential"),
    "sdf-18": unless("type", "Extension", none_of("contextInvariant")),
    "eld-1": any_of("discriminator", "description"),
    "eld-8": not_both("pattern[x]", "fixed[x]"),
    "eld-15": not_both("defaultValue[x]", "meaningWhenMissing"),
    "eld-18": when("isModifier", True, any_of("isModifierReason")),
    "eld-22": needs("sliceIsConstraining", "sliceName"),
    "sdf-10": Rule(lambda v: _is_described(v.get("binding")), "A binding has a valueSet or a description."),
    "smp-1": needs("element", "context"),
    "smp-2": needs("context", "contextType"),
    # questionnaires
    "que-1": all_of(when("type", "group", any_of("item")), when("type", "display", none_of("item"))),
    "que-2": Rule(lambda v: _is_distinct(v, "item", "linkId"), "Each linkId is there once."),
    "que-3": when("type", "display", none_of("code")),
    "que-4": not_both("answerOption", "answerValueSet"),
    "que-5": when(
        "type",
        "group display question boolean text url attachment reference",
        none_of("answerOption", "answerValueSet"),
    ),
    "que-6": when("type", "display", none_of("required", "repeats")),
    "que-7": when("operator", "exists", Rule(lambda v: "answerBoolean" in v, "The answer is a boolean.")),
    "que-8": when("type", "group display", none_of("initial")),
    "que-9": when("type", "display", none_of("readOnly")),
    "que-10": unless("type", "boolean decimal integer string text url open-choice", none_of("maxLength")),
    "que-11": not_both("answerOption", "initial"),
    "que-12": Rule(
        lambda v: len(v.get("enableWhen", ())) <= 2 or "enableBehavior" in v,
        "Several enableWhen need enableBehavior.",
    ),
    "que-13": unless(
        "repeats", True, Rule(lambda v: len(v.get("initial", ())) <= 1, "There is one initial value.")
    ),
    "qrs-1": not_both("answer", "item"),
    "cmp-1": any_of("text", "entry", "section"),
    "cmp-2": not_both("emptyReason", "entry"),
}

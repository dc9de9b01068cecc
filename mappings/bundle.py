"""A Bundle of any type, or a resource alone, becomes one transaction Bundle that can be loaded twice without a trace.

Each resource keeps or gets an id that follows from its source alone (mappings.identity), so a plain create becomes an
update of that id. What asks for more stays as it is: PUT, PATCH, DELETE and GET entries, and POST with ifNoneExist.
References by `urn:uuid:` and by search (`Practitioner?identifier=...`) are left to the transaction, which resolves both.
https://hl7.org/fhir/R4/bundle.html  https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mappings.entry import REQUESTED, Entry, Names, checked, newest, place
from mappings.pointing import pointed
from mappings.problem import NotMappable
from mappings.reference import references

Resource = dict[str, Any]

_NOT_OF_A_TRANSACTION = frozenset({"type", "entry", "total", "link", "signature"})


def normalise(bundle: Resource, source: str, own_base: str = "") -> Resource:
    """The transaction Bundle for a Bundle of any type or for a single resource. The input is not changed.

    `source` names where it came from and tells apart fullUrls that are not unique in the world. Resources whose fullUrl
    begins with `own_base` (this server's own address, with the slash) keep their ids. Raises NotMappable.
    """
    if not isinstance(bundle, dict) or not isinstance(bundle.get("resourceType"), str):
        raise NotMappable("A FHIR resource is a JSON object with a resourceType.", "resourceType")
    if bundle["resourceType"] != "Bundle":
        bundle = collection([bundle])
    try:
        entries = _entries(bundle, Names(source, own_base))
    except RecursionError:
        raise NotMappable("The Bundle is nested too deeply.", "Bundle") from None
    rest = {name: value for name, value in bundle.items() if name not in _NOT_OF_A_TRANSACTION}
    return {**rest, "type": "transaction", "entry": entries}


def collection(resources: Iterable[Resource]) -> Resource:
    """Resources side by side, as the lines of an NDJSON file are, in one Bundle."""
    entries: list[Entry] = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def needs(bundle: Resource) -> set[str]:
    """The conditional references in it: searches that must each find exactly one resource when it is loaded."""
    return {found for found in references(bundle) if "?" in found and "://" not in found.partition("?")[0]}


def _entries(bundle: Resource, names: Names) -> list[Entry]:
    is_requested = bundle.get("type") in REQUESTED
    entries = checked(bundle, is_requested)
    placed = [place(entry, names, is_requested) for entry in (entries if is_requested else newest(entries))]
    return pointed(placed, names.own_base, is_requested)

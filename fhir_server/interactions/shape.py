"""`_summary` and `_elements`: less of a resource, marked SUBSETTED.

Bytes go through untouched when neither is asked for. https://hl7.org/fhir/R4/search.html#summary and #elements
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from fhir_server.r4 import json
from fhir_server.r4.definitions import elements, is_choice

ALWAYS = ("resourceType", "id", "meta")
SHORTER = ("", "true", "false", "text", "data")
"""What `_summary` may say of one resource."""
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def shaped(body: bytes, summary: str, wanted: Collection[str]) -> bytes:
    """The body, or the part of it that was asked for."""
    if not wanted and summary in ("", "false"):
        return body
    resource = json.decode_object(body)
    keep = _keeps(resource, summary, wanted)
    kept = {key: value for key, value in resource.items() if key in ALWAYS or keep(key.removeprefix("_"))}
    if len(kept) < len(resource):
        meta = kept["meta"] = dict(kept.get("meta") or {})
        meta["tag"] = [*meta.get("tag", []), SUBSETTED]
    return json.encode(kept)


def _keeps(resource: dict[str, Any], summary: str, wanted: Collection[str]) -> Callable[[str], bool]:
    found = elements(str(resource["resourceType"]))
    required = {name for name, element in found.items() if element.min > 0}
    if wanted:
        stems = set(wanted) | required
        return lambda name: name in stems or any(is_choice(name, stem) for stem in wanted)
    if summary == "text":
        return lambda name: name == "text" or name in required
    if summary == "data":
        return lambda name: name != "text"
    return lambda name: name in found and found[name].is_summary

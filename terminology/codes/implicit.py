"""Value sets that nobody writes: their URL says what they hold.

https://hl7.org/fhir/R4/snomedct.html#implicit, https://hl7.org/fhir/R4/loinc.html#implicit, https://hl7.org/fhir/R4/rxnorm.html#implicit
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from terminology.codes.concept import Json
from terminology.coding import LOINC, RXNORM, SNOMED

_OF_SNOMED = re.compile(
    re.escape(SNOMED) + r"((?:/\d{6,18})?(?:/version/\d{8})?)\?fhir_vs(?:=(isa|refset|ecl)/(.+))?"
)
_OF_LOINC = re.compile(re.escape(LOINC) + r"/vs(?:/(LL\d+-\d|LP\d+-\d))?")
_FILTERS = {"isa": ("concept", "is-a"), "refset": ("concept", "in"), "ecl": ("constraint", "=")}


def value_set(url: str, version: str = "") -> Json | None:
    """The value set of this URL; None where no pattern fits. `?fhir_vs=refset`, the list of reference sets, is none of them."""
    if found := _OF_SNOMED.fullmatch(url):
        edition = f"{SNOMED}{found[1]}" if found[1] else ""
        rows = [_filter(*_FILTERS[found[2]], unquote(found[3]))] if found[2] else []
        return _made(url, SNOMED, edition, rows)
    if found := _OF_LOINC.fullmatch(url):
        code = found[1] or ""
        rows = [_filter("LIST" if code.startswith("LL") else "ancestor", "=", code)] if code else []
        return _made(url, LOINC, version, rows)
    return _made(url, RXNORM, version, []) if url == f"{RXNORM}/vs" else None


def _made(url: str, system: str, version: str, rows: list[Json]) -> Json:
    include = {
        "system": system,
        **({"version": version} if version else {}),
        **({"filter": rows} if rows else {}),
    }
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}


def _filter(name: str, op: str, value: str) -> Json:
    return {"property": name, "op": op, "value": value}

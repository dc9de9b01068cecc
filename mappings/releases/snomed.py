"""SNOMED CT's Snapshot files (RF2) -> pieces. Full and Delta files are left aside: the snapshot is what holds now.

Display is the preferred synonym of the edition's English language refset. https://hl7.org/fhir/R4/snomedct.html,
https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mappings.releases.files import Release, dated
from mappings.releases.lines import Broken, NotReadable, Row, Table
from mappings.releases.pieces import (
    DEFINITION,
    HIDDEN,
    LOWEST,
    Code,
    Edge,
    Fact,
    Head,
    Name,
    Piece,
    designation,
)

URL = "http://snomed.info/sct"
INTERNATIONAL = "900000000000207008"
IS_A, FULL_NAME, SYNONYM = "116680003", "900000000000003001", "900000000000013009"
_DEFINED, _PREFERRED = "900000000000073002", "900000000000548007"
_ENGLISH = ("900000000000509007", "900000000000508004")
"""Language refsets of the United States and of Great Britain, in the order in which a display is looked for."""
_USES = {FULL_NAME: "Fully specified name", SYNONYM: "Synonym"}
_DATE = re.compile(r"_(\d{8})(?:\.txt)?")
_ID = re.compile(r"\d{6,18}")


def head(release: Release, broken: Broken) -> Head:
    """The version is the URI of the edition, whose module is the one that no other depends upon. Raises NotReadable."""
    names = [table.name for table in release.tables("concepts")]
    date = dated(release, _DATE, names)
    if not date:
        raise NotReadable(
            "No name of a file tells the date of the release (sct2_Concept_Snapshot_INT_20260101.txt)."
        )
    edition = f"{URL}/{_module(release, broken)}"
    return Head(URL, f"{edition}/version/{date}", "SNOMED CT", date, edition)


def pieces(release: Release, broken: Broken) -> Iterator[Piece]:
    """See mappings.releases."""
    concepts = ["id", "active", "moduleId", "definitionStatusId", "effectiveTime"]
    for table in release.tables("concepts"):
        for code, active, module, status, since in _rows(table, concepts, broken):
            yield Code(code, active != "1")
            yield Fact(code, "inactive", "false" if active == "1" else "true", HIDDEN)
            yield Fact(code, "moduleId", module, "code")
            yield Fact(code, "effectiveTime", since, "string")
            yield Fact(code, "sufficientlyDefined", "true" if status == _DEFINED else "false", "boolean")
    yield from _names(release, broken)
    relations = ["sourceId", "active", "typeId", "destinationId"]
    for table in release.tables("relationships"):
        for code, active, kind, target in _rows(table, relations, broken):
            if active == "1":
                yield Edge(code, target) if kind == IS_A else Fact(code, kind, target, "code")
    for table in release.tables("refsets"):
        for member, active, refset in _rows(table, ["referencedComponentId", "active", "refsetId"], broken):
            if active == "1":
                yield Fact(member, "memberOf", refset, HIDDEN)


def _names(release: Release, broken: Broken) -> Iterator[Piece]:
    preferred = _preferred(release, broken)
    main = next((refset for refset in _ENGLISH if refset in preferred), "")
    liked = preferred.get(main, set())
    columns = ["conceptId", "active", "id", "languageCode", "typeId", "term"]
    for table in release.tables("descriptions"):
        for code, active, number, language, kind, term in _rows(table, columns, broken):
            if active == "1":
                use = {"system": URL, "code": kind, "display": _USES.get(kind, kind)}
                rank = _rank(kind, language, int(number) in liked)
                yield Name(code, rank, term, designation(term, language=language, use=use))
    for table in release.tables("definitions"):
        for code, active, _number, language, _kind, term in _rows(table, columns, broken):
            if active == "1" and language == "en":
                yield Fact(code, DEFINITION, term, DEFINITION)


def _rank(kind: str, language: str, is_preferred: bool) -> int:
    if kind == SYNONYM and language == "en":
        return 0 if is_preferred else 1
    return 2 if kind == FULL_NAME and language == "en" else LOWEST


def _preferred(release: Release, broken: Broken) -> dict[str, set[int]]:
    """English language refset -> the descriptions that it prefers."""
    found: dict[str, set[int]] = {}
    columns = ["referencedComponentId", "active", "refsetId", "acceptabilityId"]
    for table in release.tables("languages"):
        for description, active, refset, acceptability in _rows(table, columns, broken):
            if active == "1" and acceptability == _PREFERRED and refset in _ENGLISH:
                found.setdefault(refset, set()).add(int(description))
    return found


def _module(release: Release, broken: Broken) -> str:
    """https://docs.snomed.org/snomed-ct-specifications/snomed-ct-uri-standard"""
    above: set[str] = set()
    below: set[str] = set()
    columns = ["moduleId", "active", "referencedComponentId"]
    for table in release.tables("modules"):
        for module, active, needed in _rows(table, columns, broken):
            if active == "1":
                above.add(module)
                below.add(needed)
    top = sorted(above - below)
    return top[0] if len(top) == 1 else INTERNATIONAL


def _rows(table: Table, columns: Row, broken: Broken) -> Iterator[Row]:
    """Rows whose ids are ids: `active` is the second column, ids stand in every other that is named so."""
    ids = [at for at, name in enumerate(columns) if name == "id" or name.endswith("Id")]
    for number, row in table.rf2(columns, broken):
        wrong = next((columns[at] for at in ids if not _ID.fullmatch(row[at])), "")
        if wrong or row[1] not in ("0", "1"):
            broken.add(table.name, number, f"{wrong or 'active'} is not as RF2 has it")
        else:
            yield row

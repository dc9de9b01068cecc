"""LOINC's CSV files -> pieces. Codes are LOINC numbers, answers (LA) and parts (LP); the hierarchy is that of components.

https://hl7.org/fhir/R4/loinc.html; the columns: https://loinc.org/kb/users-guide/loinc-database-structure/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mappings.releases.files import Release, dated
from mappings.releases.lines import Broken, NotReadable, Table
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
    version_order,
)

URL = "http://loinc.org"
_RELEASE = re.compile(r"[Ll]oinc_?v?(\d+\.\d+)")
_NUMBER = re.compile(r"\d+\.\d+[a-z]?")
_AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
_MORE = ("CLASS", "STATUS", "CONSUMER_NAME", "CLASSTYPE", "ORDER_OBS", "DOCUMENT_SECTION")
"""With the axes, what R4 names as properties of LOINC."""
_WORDS = ("LONG_COMMON_NAME", "SHORTNAME", "RELATEDNAMES2")
_DEFINITION, _NOTICE = "DefinitionDescription", "EXTERNAL_COPYRIGHT_NOTICE"
_COLUMNS = ("LOINC_NUM", *_AXES, *(f"{name}?" for name in (*_MORE, *_WORDS, _DEFINITION, _NOTICE)))
_INACTIVE = frozenset({"DEPRECATED"})


def head(release: Release, broken: Broken) -> Head:
    """The version is the one in the name of the folder or archive, else the last in which a term was changed. Raises NotReadable."""
    version = dated(release, _RELEASE)
    if not version:
        changed = (
            row[0]
            for table in release.tables("table")
            for row in table.csv(["VersionLastChanged"], Broken())
            if _NUMBER.fullmatch(row[0])
        )
        version = max(changed, key=version_order, default="")
    if not version:
        raise NotReadable("Neither the name of the folder (Loinc_2.78) nor a line tells the version.")
    return Head(URL, version, "LOINC", version_order(version), URL, is_case_sensitive=False)


def pieces(release: Release, broken: Broken) -> Iterator[Piece]:
    """See mappings.releases."""
    for table in release.tables("table"):
        yield from _terms(table, broken)
    for table in release.tables("consumer"):
        for code, name in table.csv(["LoincNumber", "ConsumerName"], broken):
            yield Name(code, LOWEST, name, _designation(name, "ConsumerName"))
    for table in release.tables("languages"):
        yield from _variant(table, broken)
    yield from _answers(release, broken)
    yield from _parts(release, broken)


def _terms(table: Table, broken: Broken) -> Iterator[Piece]:
    names = [name.removesuffix("?") for name in _COLUMNS]
    for values in table.csv(_COLUMNS, broken):
        row = dict(zip(names, values, strict=True))
        code = row["LOINC_NUM"].upper()
        yield Code(code, row["STATUS"] in _INACTIVE)
        for rank, name in enumerate(_WORDS):
            if row[name]:
                yield Name(code, rank, row[name], _designation(row[name], name))
        for name in (*_AXES, *_MORE):
            if row[name]:
                yield Fact(code, name, row[name], "string")
        if row[_DEFINITION]:
            yield Fact(code, DEFINITION, row[_DEFINITION], DEFINITION)
        yield Fact(code, "copyright", "3rdParty" if row[_NOTICE] else "LOINC", "string")


def _designation(value: str, use: str, language: str = "en") -> str:
    return designation(value, language=language, use={"system": URL, "code": use})


def _variant(table: Table, broken: Broken) -> Iterator[Piece]:
    """The names of one language, which the name of the file tells: `frFR18LinguisticVariant.csv`."""
    language = f"{table.name[:2]}-{table.name[2:4]}"
    for code, long, short in table.csv(["LOINC_NUM", "LONG_COMMON_NAME", "SHORTNAME?"], broken):
        for use, name in (("LONG_COMMON_NAME", long), ("SHORTNAME", short)):
            if name:
                yield Name(code, LOWEST, name, _designation(name, use, language))


def _answers(release: Release, broken: Broken) -> Iterator[Piece]:
    """Answer lists: their answers are codes, and the list is the filter LIST, on which http://loinc.org/vs/LL... rests."""
    for table in release.tables("answers"):
        for listed, code, text in table.csv(["AnswerListId", "AnswerStringId", "DisplayText"], broken):
            if code:
                yield Code(code)
                yield Name(code, 0, text, _designation(text, "DisplayText"))
                yield Fact(code, "LIST", listed, HIDDEN)


def _parts(release: Release, broken: Broken) -> Iterator[Piece]:
    for table in release.tables("parts"):
        columns = ["PartNumber", "PartDisplayName", "PartName", "PartTypeName", "Status?"]
        for code, display, name, kind, status in table.csv(columns, broken):
            yield Code(code, status in _INACTIVE)
            yield Name(code, 0, display or name)
            yield Fact(code, "PartTypeName", kind, "string")
    for table in release.tables("links"):
        for code, part, kind in table.csv(["LoincNumber", "PartNumber", "PartTypeName"], broken):
            yield Fact(code, _AXIS.get(kind, kind), part, HIDDEN)
    for table in release.tables("hierarchy"):
        for parent, code, text in table.csv(["IMMEDIATE_PARENT", "CODE", "CODE_TEXT"], broken):
            yield Code(code)
            yield Name(code, LOWEST - 1, text)
            if parent:
                yield Edge(code, parent)


_AXIS = {"TIME": "TIME_ASPCT", "SCALE": "SCALE_TYP", "METHOD": "METHOD_TYP"}

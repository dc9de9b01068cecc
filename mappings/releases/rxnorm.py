"""RxNorm's RRF files -> pieces. Codes are the concepts that RxNorm itself names (SAB=RXNORM); it has no hierarchy.

https://hl7.org/fhir/R4/rxnorm.html; the columns: https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mappings.releases.files import Release, dated
from mappings.releases.lines import Broken, NotReadable
from mappings.releases.pieces import LOWEST, Code, Fact, Head, Name, Piece, designation

URL = "http://www.nlm.nih.gov/research/umls/rxnorm"
OWN = "RXNORM"
_DATE = re.compile(r"RxNorm_(?:full|weekly|full_prescribe)_(\d{8})")
_VERSION = re.compile(r"RXNORM_\d\d[A-Z]{2}_(\d{2})(\d{2})(\d{2})F?")
_WORDS_ONLY = frozenset({"SY", "TMSY", "PSN", "ET"})
"""Term types that name a concept besides its normal form."""


def head(release: Release, broken: Broken) -> Head:
    """The version is the date of the release as MMDDYYYY, of the folder's name or of RXNSAB. Raises NotReadable."""
    version = dated(release, _DATE) or _of_sources(release)
    if not version:
        raise NotReadable(
            "Neither the name of the folder (RxNorm_full_01052026) nor RXNSAB.RRF tells the date of the release."
        )
    return Head(URL, version, "RxNorm", version[4:] + version[:4], URL)


def pieces(release: Release, broken: Broken) -> Iterator[Piece]:
    """See mappings.releases."""
    for table in release.tables("concepts"):
        for code, language, source, kind, text, suppressed in table.rrf(18, (0, 1, 11, 12, 14, 16), broken):
            yield Fact(code, "SAB", source)
            if source == OWN:
                yield from _named(code, language, kind, text, suppressed)
    for table in release.tables("types"):
        for code, number, name in table.rrf(6, (0, 1, 3), broken):
            yield Fact(code, "STY", number, "code")
            yield Fact(code, "STY", f"TUI:{number}")
            yield Fact(code, "STY", f"STY:{name}")
    for table in release.tables("relations"):
        for one, relation, other, kind, source in table.rrf(16, (0, 3, 4, 7, 10), broken):
            if one and other and source == OWN:
                yield Fact(one, relation, f"CUI:{other}")
                if kind:
                    yield Fact(one, kind, f"CUI:{other}", "string")
    for table in release.tables("attributes"):
        for code, name, source, value in table.rrf(13, (0, 8, 9, 10), broken):
            if source == OWN and code:
                yield Fact(code, name, value, "string")


def _named(code: str, language: str, kind: str, text: str, suppressed: str) -> Iterator[Piece]:
    if kind in _WORDS_ONLY:
        use = {"code": kind}
        yield Name(code, LOWEST, text, designation(text, language=_LANGUAGES.get(language, ""), use=use))
        return
    yield Code(code, suppressed in ("O", "E"))
    yield Name(code, 0, text)
    yield Fact(code, "TTY", kind, "code")


_LANGUAGES = {"ENG": "en", "SPA": "es", "FRE": "fr"}


def _of_sources(release: Release) -> str:
    for table in release.tables("sources"):
        for (name,) in table.rrf(25, (2,), Broken()):
            if found := _VERSION.fullmatch(name):
                return f"{found[2]}{found[3]}20{found[1]}"
    return ""

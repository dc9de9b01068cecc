"""Folders and .zip files -> releases: which code system each is, and the file for each part of it.

A publisher's .zip is read as it is. A folder is one release of a system at the nearest folder that holds all of it.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from mappings.releases.lines import Table

PARTS: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "loinc": {
        "table": re.compile(r"Loinc\.csv"),
        "hierarchy": re.compile(r"(?:ComponentHierarchyBySystem|MultiAxialHierarchy)\.csv"),
        "answers": re.compile(r"AnswerList\.csv"),
        "parts": re.compile(r"Part\.csv"),
        "links": re.compile(r"LoincPartLink_Primary\.csv"),
        "consumer": re.compile(r"ConsumerName\.csv"),
        "languages": re.compile(r"[a-z]{2}[A-Z]{2}\d*LinguisticVariant\.csv"),
    },
    "snomed": {
        "concepts": re.compile(r"x?sct2_Concept_Snapshot.*\.txt"),
        "descriptions": re.compile(r"x?sct2_Description_Snapshot.*\.txt"),
        "definitions": re.compile(r"x?sct2_TextDefinition_Snapshot.*\.txt"),
        "relationships": re.compile(r"x?sct2_Relationship_Snapshot.*\.txt"),
        "languages": re.compile(r"x?der2_cRefset_Language.*Snapshot.*\.txt"),
        "refsets": re.compile(r"x?der2_Refset_.*Snapshot.*\.txt"),
        "modules": re.compile(r"x?der2_ssRefset_ModuleDependency.*Snapshot.*\.txt"),
    },
    "rxnorm": {
        "concepts": re.compile(r"RXNCONSO\.RRF"),
        "relations": re.compile(r"RXNREL\.RRF"),
        "attributes": re.compile(r"RXNSAT\.RRF"),
        "types": re.compile(r"RXNSTY\.RRF"),
        "sources": re.compile(r"RXNSAB\.RRF"),
    },
}
"""Kind of release -> the names of its files by part. Of RxNorm's `prescribe` folder, see _outer."""
CORE = {"loinc": ("table",), "snomed": ("concepts", "descriptions", "relationships"), "rxnorm": ("concepts",)}
"""The parts without which there is nothing to load."""


@dataclass(frozen=True, slots=True)
class Release:
    """What was found under `path`, which may be a folder, a .zip or one file: the tables of each part, in the order of their names."""

    kind: str
    path: Path
    parts: dict[str, list[Table]] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """Parts without which it cannot be loaded."""
        return [part for part in CORE[self.kind] if part not in self.parts]

    def tables(self, part: str) -> list[Table]:
        """Those of a part; none where the release has it not."""
        return self.parts.get(part, [])

    def digest(self) -> str:
        """The same for the same content: SHA-256 of names and bytes, in hexadecimal."""
        found = sha256()
        for part in sorted(self.parts):
            for table in self.parts[part]:
                found.update(f"{part} {Path(table.name).name}\n".encode())
                with table.open() as stream:
                    while block := stream.read(1 << 20):
                        found.update(block)
        return found.hexdigest()


def is_of_release(path: Path) -> bool:
    """Whether the file belongs to a release, and to nothing else."""
    if path.suffix == ".zip" and path.is_file():
        return next(_members(path), None) is not None
    return part_of(path.name) is not None


def part_of(name: str) -> tuple[str, str] | None:
    """(kind, part) of a file with this name."""
    for kind, parts in PARTS.items():
        for part, pattern in parts.items():
            if pattern.fullmatch(name):
                return kind, part
    return None


def releases(paths: Iterable[Path]) -> list[Release]:
    """The releases among files and folders, one of a kind under each path."""
    found: dict[tuple[str, Path], Release] = {}
    for path in paths:
        for kind, part, at, table in _tables(path):
            release = found.setdefault((kind, at), Release(kind, at))
            release.parts.setdefault(part, []).append(table)
    return list(found.values())


def _tables(path: Path) -> Iterator[tuple[str, str, Path, Table]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    outer: dict[str, int] = {}
    for file in sorted(files, key=lambda file: len(file.parts)):
        if found := part_of(file.name):
            kind, part = found
            if file.is_file() and _outer(kind, part, len(file.parts), outer):
                yield kind, part, path, Table(file.name, partial(_open_file, file))
        elif file.suffix == ".zip" and file.is_file():
            yield from ((kind, part, file, table) for kind, part, table in _members(file))


def _members(path: Path) -> Iterator[tuple[str, str, Table]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist(), key=lambda name: (name.count("/"), name))
    except (OSError, zipfile.BadZipFile):
        return
    outer: dict[str, int] = {}
    for name in names:
        base = name.rpartition("/")[2]
        if (found := part_of(base)) and _outer(*found, name.count("/"), outer):
            yield *found, Table(base, partial(_open_member, path, name))


def _outer(kind: str, part: str, depth: int, seen: dict[str, int]) -> bool:
    """Of RxNorm's files only the outermost of a name: the folder `prescribe` holds the same names for a subset."""
    return kind != "rxnorm" or seen.setdefault(part, depth) == depth


class _Member(BufferedReader):
    """A member of an archive that closes its archive too."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        super().__init__(archive.open(name))  # type: ignore[arg-type]

    def close(self) -> None:
        """Both."""
        super().close()
        self._archive.close()


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_member(path: Path, name: str) -> IO[bytes]:
    return cast("IO[bytes]", _Member(zipfile.ZipFile(path), name))


def dated(release: Release, pattern: re.Pattern[str], names: Sequence[str] = ()) -> str:
    """The first group of the pattern in the names of the path or of files; empty where none has it."""
    texts = [*names, *reversed(release.path.resolve().parts)]
    return next((found[1] for text in texts if (found := pattern.search(text))), "")

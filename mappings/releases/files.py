"""Folders and .zip files -> releases: which code system each is, and the file for each part of it.

A publisher's .zip is read as it is. Files that lie apart are of one release where their folders meet (https://loinc.org/downloads/,
https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification).
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
from typing import IO, NamedTuple, cast

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
"""Kind of release -> the names of its files by part."""
CORE = {"loinc": ("table",), "snomed": ("concepts", "descriptions", "relationships"), "rxnorm": ("concepts",)}
"""The parts without which there is nothing to load; the first comes once in each release."""


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
        return any(each.is_telling for each in _members(path))
    return part_of(path.name) is not None


def part_of(name: str) -> tuple[str, str] | None:
    """(kind, part) of a file with this name."""
    for kind, parts in PARTS.items():
        for part, pattern in parts.items():
            if pattern.fullmatch(name):
                return kind, part
    return None


def releases(paths: Iterable[Path]) -> list[Release]:
    """The releases among files and folders. Where a folder holds several of a kind, each file goes with the nearest."""
    found: list[Release] = []
    for path in paths:
        archives: dict[Path, list[_Found]] = {}
        for each in _found(path):
            archives.setdefault(each.holder, []).append(each)
        for members in archives.values():
            for kind in PARTS:
                found += _grouped([each for each in members if each.kind == kind])
    return found


class _Found(NamedTuple):
    """A file that is part of a release: the archive or folder that was given, and the names of the folders within."""

    kind: str
    part: str
    holder: Path
    folders: tuple[str, ...]
    table: Table

    @property
    def is_telling(self) -> bool:
        """Whether its name is no common one."""
        return (self.kind, self.part) not in _COMMON


_COMMON = {("loinc", "answers"), ("loinc", "parts"), ("loinc", "consumer")}


def _grouped(files: Sequence[_Found]) -> Iterator[Release]:
    """A release for each file of the part that comes once in each; of what has no such file, one that says what it lacks."""
    if not any(each.is_telling for each in files):
        return
    heads = [each for each in files if each.part == CORE[each.kind][0]]
    homes = list(dict.fromkeys(each.folders for each in heads)) or [files[0].folders]
    groups: dict[tuple[str, ...], list[_Found]] = {home: [] for home in homes}
    for each in files:
        groups[max(homes, key=partial(_shared, each.folders))].append(each)
    for members in groups.values():
        common = list(members[0].folders)
        for each in members:
            del common[_shared(each.folders, common) :]
        release = Release(members[0].kind, members[0].holder.joinpath(*common))
        for each in members:
            release.parts.setdefault(each.part, []).append(each.table)
        yield release


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders two paths have in common from their start."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _found(path: Path) -> Iterator[_Found]:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        if file.suffix == ".zip":
            yield from _members(file)
        elif found := part_of(file.name):
            home = path if path.is_dir() else path.parent
            folders = file.relative_to(home).parts[:-1]
            if _SUBSET not in folders:
                yield _Found(*found, home, folders, Table(file.name, partial(_open_file, file)))


def _members(path: Path) -> Iterator[_Found]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return
    for name in names:
        *folders, base = name.split("/")
        if (found := part_of(base)) and _SUBSET not in folders:
            yield _Found(*found, path, tuple(folders), Table(base, partial(_open_member, path, name)))


_SUBSET = "prescribe"
"""A folder in RxNorm's releases that holds the same names again, for a part of the codes."""


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

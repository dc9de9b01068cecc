"""A FHIR package: an .tgz with `package/package.json` and definitions beside it, as implementation guides are published.

Definitions of the types in DEFINITIONS are read; examples and what else a package holds are not. What cannot be read is named, and the
rest is there all the same. https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import json as plain
import tarfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from mappings.archive import UNREADABLE, Limits, TooLarge, opened, read_up_to

Json = dict[str, Any]
Decode = Callable[[bytes], Json]

DEFINITIONS = (
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "SearchParameter",
    "ConceptMap",
    "NamingSystem",
)
BUILT_IN = ("hl7.fhir.r4.core", "hl7.fhir.r4.expansions", "hl7.fhir.r4.examples", "hl7.fhir.core")
"""Packages that are R4 itself."""


class NotAPackage(ValueError):
    """The file is no FHIR package, or not one of R4; the text says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """Name, version, what it needs (name -> version), its definitions, and the members that could not be read."""

    name: str
    version: str
    needs: dict[str, str]
    definitions: list[Json]
    unread: list[str] = field(default_factory=list)


def is_package(path: Path) -> bool:
    """Whether the file is a gzipped tar whose first member stands in `package/`."""
    if not path.name.endswith((".tgz", ".tar.gz")):
        return False
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
    except (*UNREADABLE, EOFError):
        return False
    return first is not None and first.name.removeprefix("./").partition("/")[0] == "package"


def packages(paths: Iterable[Path]) -> list[Path]:
    """The packages among files and folders, by name."""
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.suffix in (".tgz", ".gz") and file.is_file()
    ]
    return [file for file in dict.fromkeys(files) if is_package(file)]


def read(name: str, content: bytes, decode: Decode, limits: Limits | None = None) -> Package:
    """The package in these bytes. Raises NotAPackage."""
    manifest: Json | None = None
    found: list[Json] = []
    unread: list[str] = []
    bounds = limits or Limits()
    try:
        for member in opened(name, BytesIO(content), bounds):
            inner = member.name.removeprefix(name).lstrip("./")
            if inner == "package/package.json":
                manifest = _manifest(read_up_to(member.stream, bounds.file))
            elif _may_define(inner):
                _add(inner, read_up_to(member.stream, bounds.file + 1), decode, bounds, found, unread)
    except (*UNREADABLE, TooLarge) as error:
        raise NotAPackage(f"The package cannot be read to its end: {error}") from None
    if manifest is None:
        raise NotAPackage("The archive has no package/package.json.")
    return _package(manifest, found, unread)


def _may_define(inner: str) -> bool:
    """Whether it is a file of the package's own folder (`package/other` and `package/example` are not)."""
    folder, _, file = inner.rpartition("/")
    return folder == "package" and file.endswith(".json") and not file.startswith(".")


def _add(
    inner: str, body: bytes, decode: Decode, limits: Limits, found: list[Json], unread: list[str]
) -> None:
    if len(body) > limits.file:
        unread.append(f"{inner}: more than {limits.file} bytes")
        return
    try:
        resource = decode(body)
    except Exception:  # whatever a reader of JSON raises: the member is named, the others go on
        unread.append(f"{inner}: no well-formed JSON")
        return
    if resource.get("resourceType") in DEFINITIONS:
        found.append(resource)


def _manifest(body: bytes) -> Json:
    try:
        found = plain.loads(body)
    except ValueError:
        raise NotAPackage("package/package.json is no well-formed JSON.") from None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise NotAPackage("package/package.json has no name.")
    return found


def _package(manifest: Json, found: list[Json], unread: list[str]) -> Package:
    versions = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or []
    if isinstance(versions, list) and versions and not any(str(v).startswith("4.0") for v in versions):
        raise NotAPackage(f"The package is for FHIR {', '.join(map(str, versions))[:60]}, not for R4 (4.0).")
    needs = manifest.get("dependencies")
    wanted = (
        {str(n): str(v) for n, v in needs.items() if n not in BUILT_IN} if isinstance(needs, dict) else {}
    )
    return Package(manifest["name"], str(manifest.get("version", "")), wanted, found, unread)


def is_met(version: str, there: Collection[str]) -> bool:
    """Whether one of the versions will do: the same, one that `4.0.x` stands for, or any where `current`, `dev` or `latest` is asked for."""
    if version in ("", "current", "dev", "latest"):
        return bool(there)
    if version.endswith(".x"):
        return any(one.startswith(version[:-1]) for one in there)
    return version in there


def by_need(packages: Iterable[tuple[str, Package]]) -> list[tuple[str, Package]]:
    """Each behind those that it needs, as far as they are here; circles as they came."""
    waiting = list(packages)
    ready: list[tuple[str, Package]] = []
    while waiting:
        names = {package.name for _, package in waiting}
        free = [pair for pair in waiting if not (set(pair[1].needs) - {pair[1].name}) & names]
        ready += free or waiting
        waiting = [pair for pair in waiting if pair not in ready]
    return ready

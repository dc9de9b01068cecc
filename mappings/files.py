"""Files and folders become Sources: what each holds, in the same order every time, whatever else is unreadable.

    for source in order(read([Path("export"), Path("more.tar.xz")])): ...

A folder gives its files by name, an archive its members as they stand in it, NDJSON parts of whole lines. What cannot be
read or understood comes as UNKNOWN with the reason; what is hidden or no data comes as SKIPPED, so a report can name both.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from mappings.archive import UNREADABLE, Limits, Opened, TooLarge, opened, read_up_to
from mappings.package import is_package
from mappings.recognise import HEAD, body_of, recognise, skipped
from mappings.releases.files import is_of_release
from mappings.source import Kind, Source


def read(paths: Iterable[Path | str], limits: Limits | None = None) -> Iterator[Source]:
    """Each file under the paths as Sources, but for FHIR packages (mappings.package) and releases of code systems (mappings.releases). Never raises for a file: see Kind.UNKNOWN."""
    bounds = limits or Limits()
    seen: set[str] = set()
    for path in paths:
        for file in _files(Path(path)):
            if (real := os.path.realpath(file)) not in seen:
                seen.add(real)
                yield from _read_file(file, bounds)


def lines(source: Source) -> Iterator[bytes]:
    """The resources of an NDJSON source, one a line; empty lines are left out."""
    return (line for line in source.body.splitlines() if line.strip())


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        return iter((path,))
    return _walk(path)


def _walk(folder: Path) -> Iterator[Path]:
    try:
        children = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for child in children:
        if child.is_dir() and not child.is_symlink() and not skipped(child.name):
            yield from _walk(child)
        else:
            yield child


def _read_file(path: Path, limits: Limits) -> Iterator[Source]:
    name = str(path)
    if is_package(path) or is_of_release(path):
        return
    if why := skipped(path.name):
        yield Source(name, Kind.SKIPPED, reason=why)
        return
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            yield Source(name, Kind.UNKNOWN, reason="not a file that can be read")
            return
        with path.open("rb") as file:
            yield from chain.from_iterable(
                _read(member, name, limits) for member in opened(name, file, limits)
            )
    except (*UNREADABLE, TooLarge) as error:
        yield Source(name, Kind.UNKNOWN, reason=_reason(error))


def _read(member: Opened, archive: str, limits: Limits) -> Iterator[Source]:
    inner = member.name.removeprefix(archive)
    if inner and (why := skipped(inner)):
        yield Source(member.name, Kind.SKIPPED, reason=why)
        return
    head = read_up_to(member.stream, HEAD)
    kind, reason = recognise(member.name, head)
    if kind in (Kind.UNKNOWN, Kind.SKIPPED):
        yield Source(member.name, kind, reason=reason)
    elif kind is Kind.NDJSON:
        yield from _parts(member, head, limits)
    else:
        yield _whole(member, kind, head, limits)


def _whole(member: Opened, kind: Kind, head: bytes, limits: Limits) -> Source:
    body = head + read_up_to(member.stream, limits.file + 1 - len(head))
    if len(body) > limits.file:
        return Source(member.name, Kind.UNKNOWN, reason=f"more than {limits.file} bytes")
    return Source(member.name, kind, body_of(kind, body))


def _parts(member: Opened, head: bytes, limits: Limits) -> Iterator[Source]:
    rest, first = body_of(Kind.NDJSON, head), 1
    while True:
        block = read_up_to(member.stream, limits.part)
        text, is_last = rest + block, len(block) < limits.part
        cut = len(text) if is_last else text.rfind(b"\n") + 1
        body, rest = text[:cut], text[cut:]
        if body.strip():
            yield Source(_part_name(member.name, body, first, is_last), Kind.NDJSON, body)
        first += body.count(b"\n")
        if is_last:
            return
        if len(rest) > limits.file:
            yield Source(member.name, Kind.UNKNOWN, reason=f"line {first} has more than {limits.file} bytes")
            return


def _part_name(name: str, body: bytes, first: int, is_last: bool) -> str:
    if first == 1 and is_last:
        return name
    last = first + body.count(b"\n") - body.endswith(b"\n")
    return f"{name}#{first}-{last}"


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read"
    return f"cannot be read: {error}"

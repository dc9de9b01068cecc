"""The members of .zip, .tar, .tar.gz, .tar.xz and .tar.bz2, and what a .gz, .xz or .bz2 holds: streamed, nothing unpacked to disk.

The first bytes decide, not the name. A member is bounded, and so is the sum of an archive's members (Limits), counted
while unpacking: what an archive says of its own sizes is not believed. An archive inside an archive is not opened.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple, cast

UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Most bytes, unpacked: of one file or member, of all members of an archive together, and of one part of NDJSON."""

    file: int = 256 << 20
    archive: int = 16 << 30
    members: int = 1_000_000
    part: int = 1 << 20


class TooLarge(ValueError):
    """More came out than Limits allow."""


@dataclass(slots=True)
class Budget:
    """How many bytes an archive may still give."""

    left: int

    def spend(self, count: int) -> None:
        """Raise TooLarge where the archive has given more than it may."""
        self.left -= count
        if self.left < 0:
            raise TooLarge("the archive unpacks to more than it may")


class Opened(NamedTuple):
    """A file: its name, and a stream of its unpacked bytes, good until the next one is asked for."""

    name: str
    stream: IO[bytes]


def opened(name: str, file: IO[bytes], limits: Limits) -> Iterator[Opened]:
    """The members of an archive under `name/member`, or the one file itself. `file` is seekable.

    Raises one of UNREADABLE, or TooLarge when the archive's own sum is reached; members before that have been given.
    """
    head = file.read(_TAR_HEAD)
    file.seek(0)
    if head.startswith(b"PK\x03\x04"):
        yield from _zip(name, file, limits)
    elif _is_tar(head):
        yield from _tar(name, file, limits)
    elif unpack := _layer(head):
        inner = read_up_to(unpack(file), _TAR_HEAD)
        file.seek(0)
        yield from _tar(name, unpack(file), limits) if _is_tar(inner) else [Opened(name, unpack(file))]
    else:
        yield Opened(name, file)


def read_up_to(stream: IO[bytes], count: int) -> bytes:
    """`count` bytes, fewer only at the end."""
    parts: list[bytes] = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class _Bounded(io.RawIOBase):
    """A stream whose bytes are taken from the budget of its archive."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, count: int = -1) -> bytes:
        found = self._stream.read(count)
        self._budget.spend(len(found))
        return found


def _zip(name: str, file: IO[bytes], limits: Limits) -> Iterator[Opened]:
    budget = Budget(limits.archive)
    with zipfile.ZipFile(file) as archive:
        for i, member in enumerate(archive.infolist()):
            _count(i, limits)
            if not member.is_dir():
                yield _member(f"{name}/{member.filename}", _zip_stream(archive, member), budget)


def _zip_stream(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    if member.flag_bits & 1:
        raise OSError("the archive is encrypted")
    return archive.open(member)


def _tar(name: str, stream: IO[bytes], limits: Limits) -> Iterator[Opened]:
    budget = Budget(limits.archive)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for i, member in enumerate(archive):
            _count(i, limits)
            budget.spend(max(0, member.size - limits.file))
            if content := archive.extractfile(member) if member.isreg() else None:
                yield _member(f"{name}/{member.name}", content, budget)
            archive.members = []  # type: ignore[attr-defined]  # it would keep every one it has read


def _member(name: str, stream: IO[bytes], budget: Budget) -> Opened:
    head = stream.peek(8)[:8] if hasattr(stream, "peek") else b""
    unpack = _layer(head)
    return Opened(name, _Bounded(unpack(stream) if unpack else stream, budget))  # type: ignore[arg-type]


def _count(index: int, limits: Limits) -> None:
    if index >= limits.members:
        raise TooLarge(f"the archive has more than {limits.members} members")


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _layer(head: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    return next((unpack for magic, unpack in _LAYERS.items() if head.startswith(magic)), None)


def _gzip(stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))


def _xz(stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", lzma.LZMAFile(stream))


def _bzip2(stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", bz2.BZ2File(stream))


_TAR_HEAD = 512
_LAYERS = {b"\x1f\x8b": _gzip, b"\xfd7zXZ\x00": _xz, b"BZh": _bzip2}

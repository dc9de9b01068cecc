"""Rows of a file of a release, with the number of the line they begin in; a row that is broken is named and left out.

RF2 and RRF have one row a line and no quotes; CSV follows https://www.rfc-editor.org/rfc/rfc4180.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

LONGEST = 1 << 20
"""Bytes of a line."""
MOST_TOLD = 100
"""Broken lines that are named of one file; the others are counted."""

Row = Sequence[str]


class NotReadable(ValueError):
    """A file or a release that cannot be used at all; the text says why."""


@dataclass(slots=True)
class Broken:
    """What was left out: the first lines of each file by name, number and reason, and how many there are."""

    told: list[str] = field(default_factory=list)
    count: dict[str, int] = field(default_factory=dict)

    def add(self, file: str, line: int, why: str) -> None:
        """This line is left out."""
        self.count[file] = self.count.get(file, 0) + 1
        if self.count[file] <= MOST_TOLD:
            self.told.append(f"{file} line {line}: {why}")

    def lines(self) -> list[str]:
        """What to report."""
        more = {file: count - MOST_TOLD for file, count in self.count.items() if count > MOST_TOLD}
        return [*self.told, *(f"{file}: {count} more lines like these" for file, count in more.items())]


@dataclass(frozen=True, slots=True)
class Table:
    """A file with columns: its name without folders, and how to open it."""

    name: str
    open: Callable[[], IO[bytes]]

    def rf2(self, needs: Row, broken: Broken) -> Iterator[tuple[int, Row]]:
        """Rows of RF2, with their lines: tabs, a first line with names. Only the columns of `needs`, in their order."""
        rows = _split(self, "\t", broken)
        header = next(rows, (0, [""]))[1]
        yield from self._picked(rows, header, needs, broken)

    def rrf(self, width: int, picks: Sequence[int], broken: Broken) -> Iterator[Row]:
        """Rows of RRF: bars, one behind each column, no names. Only the columns of `picks`, in their order."""
        for number, row in _split(self, "|", broken):
            if len(row) != width + 1:
                broken.add(self.name, number, f"{len(row) - 1} columns instead of {width}")
            else:
                yield [row[pick] for pick in picks]

    def csv(self, needs: Row, broken: Broken) -> Iterator[Row]:
        """Rows of CSV with a first line of names. Only the columns of `needs`, in their order; `name?` need not be there."""
        rows = _records(self, broken)
        header = next(rows, (0, [""]))[1]
        for _, row in self._picked(rows, header, needs, broken):
            yield row

    def _picked(
        self, rows: Iterator[tuple[int, list[str]]], header: Row, needs: Row, broken: Broken
    ) -> Iterator[tuple[int, Row]]:
        wanted = [name.removesuffix("?") for name in needs]
        at = {name: number for number, name in enumerate(header)}
        missing = [name for name in needs if name not in at and not name.endswith("?")]
        if missing:
            raise NotReadable(f"{self.name} has no column {', '.join(missing)}.")
        picks = [at.get(name, -1) for name in wanted]
        for number, row in rows:
            if len(row) != len(header):
                broken.add(self.name, number, f"{len(row)} columns instead of {len(header)}")
            else:
                yield number, [row[pick] if pick >= 0 else "" for pick in picks]


def _decoded(table: Table, broken: Broken) -> Iterator[tuple[int, str]]:
    """Lines with their number and their end."""
    number = 0
    with table.open() as stream:
        while line := stream.readline(LONGEST):
            number += 1
            if len(line) == LONGEST and not line.endswith(b"\n"):
                broken.add(table.name, number, f"more than {LONGEST} bytes")
                while line and not line.endswith(b"\n"):
                    line = stream.readline(LONGEST)
                continue
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                broken.add(table.name, number, "not UTF-8")
                continue
            if "\0" in text:
                broken.add(table.name, number, "a NUL character")
                continue
            yield number, text


def _split(table: Table, mark: str, broken: Broken) -> Iterator[tuple[int, list[str]]]:
    for number, text in _decoded(table, broken):
        if bare := text.rstrip("\r\n"):
            yield number, bare.split(mark)


def _records(table: Table, broken: Broken) -> Iterator[tuple[int, list[str]]]:
    """Records of CSV. Of one that ran over several lines and has another width than the first the quote was broken: only its first line is lost."""
    lines = _decoded(table, broken)
    read: list[tuple[int, str]] = []
    again: deque[tuple[int, str]] = deque()

    def fed() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, None):
            read.append(line)
            yield line[1]

    width = 0
    rows = csv.reader(fed())
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            row = [""]
        if row is None:
            return
        width = width or len(row)
        if len(row) != width and len(read) > 1:
            again.extendleft(reversed(read[1:]))
            row = [""]
        if row:
            yield read[0][0], row
        read.clear()

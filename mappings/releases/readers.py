"""Kind of release -> its reader: `head` says which version it is, `pieces` gives all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mappings.releases import loinc, rxnorm, snomed
from mappings.releases.files import Release
from mappings.releases.lines import Broken
from mappings.releases.pieces import Head, Piece


class Reader(NamedTuple):
    """How one kind of release is read; both raise NotReadable."""

    head: Callable[[Release, Broken], Head]
    pieces: Callable[[Release, Broken], Iterator[Piece]]


READERS: Mapping[str, Reader] = {
    "loinc": Reader(loinc.head, loinc.pieces),
    "snomed": Reader(snomed.head, snomed.pieces),
    "rxnorm": Reader(rxnorm.head, rxnorm.pieces),
}

"""Sources in an order in which each conditional reference finds what it asks for, whatever order they came in.

`Practitioner?identifier=system|value` needs a file that brings a Practitioner with that identifier. What needs nothing goes
on at once; the rest is held (on disk beyond 256 MB) and follows in waves. Only bytes are searched, nothing is parsed.
https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO, cast
from urllib.parse import unquote_to_bytes

from mappings.source import Source

MEMORY = 256 << 20

Need = tuple[bytes, bytes]

_CONDITIONAL = re.compile(rb"""(?:"reference"\s*:\s*"|<reference\s+value=")([A-Za-z]+)\?([^"]+)""")
_VALUE = re.compile(rb"""(?:"value"\s*:\s*"|<value\s+value=")([^"]+)""")
_TYPE = re.compile(rb""""resourceType"\s*:\s*"([A-Za-z]+)"|<([A-Z][A-Za-z]+)\s+xmlns""")


@dataclass(frozen=True, slots=True)
class _Held:
    """A source that waits, without its body, which stands in the spool from `start` on."""

    source: Source
    start: int
    size: int
    needs: frozenset[Need]

    def body(self, spool: IO[bytes]) -> bytes:
        spool.seek(self.start)
        return spool.read(self.size)


def order(sources: Iterable[Source], memory: int = MEMORY) -> Iterator[Source]:
    """First all that refers by id only (wave 0), then, wave by wave, what asks for things of earlier waves.

    Sources that need each other in a circle come in the last wave, as they came in.
    """
    with tempfile.SpooledTemporaryFile(max_size=memory) as spool:
        held: list[_Held] = []
        for source in sources:
            if needs := needed(source.body):
                held.append(_Held(replace(source, body=b""), spool.tell(), len(source.body), needs))
                spool.write(source.body)
            else:
                yield source
        for wave, members in enumerate(_waves(held, cast("IO[bytes]", spool)), start=1):
            for one in members:
                yield replace(one.source, body=one.body(cast("IO[bytes]", spool)), wave=wave)


def needed(body: bytes) -> frozenset[Need]:
    """The conditional references in a body, each as type and the value that is searched for."""
    return frozenset((found[1], _value(found[2])) for found in _CONDITIONAL.finditer(body))


def _waves(held: list[_Held], spool: IO[bytes]) -> Iterator[list[_Held]]:
    waiting = _with_brought(held, spool)
    while waiting:
        missing = frozenset[Need]().union(*(brought for _, brought in waiting))
        ready = [one for one, _ in waiting if not one.needs & missing]
        yield ready or [one for one, _ in waiting]
        waiting = [pair for pair in waiting if pair[0].needs & missing] if ready else []


def _with_brought(held: list[_Held], spool: IO[bytes]) -> list[tuple[_Held, frozenset[Need]]]:
    """Each with what it may bring to another; one alone is not searched."""
    wanted: dict[bytes, set[bytes]] = {}
    for type, value in frozenset[Need]().union(*(one.needs for one in held)):
        wanted.setdefault(value, set()).add(type)
    if len(held) < 2:
        return [(one, frozenset()) for one in held]
    return [(one, _brought(one.body(spool), wanted) - one.needs) for one in held]


def _brought(body: bytes, wanted: dict[bytes, set[bytes]]) -> frozenset[Need]:
    """What a body may bring of what is wanted: it holds the type, and the value as one of an identifier."""
    types = {found[1] or found[2] for found in _TYPE.finditer(body)}
    values = {found[1] for found in _VALUE.finditer(body)} & wanted.keys()
    return frozenset((type, value) for value in values for type in wanted[value] & types)


def _value(query: bytes) -> bytes:
    """`identifier=system|value&active=true` searches for `value`."""
    first = query.partition(b"&")[0].partition(b"=")[2]
    return unquote_to_bytes(first).rpartition(b"|")[2]

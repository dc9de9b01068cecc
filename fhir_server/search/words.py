"""Full text: what a resource says in words, and what `_text` and `_content` ask of it.

The text of a resource is what stands between quotation marks in its JSON, but for names of members, addresses, references, dates and
unique ids; no body is parsed for it. Words are compared without case and accents; a phrase lies within one text.
https://hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from hashlib import blake2b

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.types.string import without_accents

_NO_WORDS = re.compile(
    rb"\d{4}-\d\d|[a-z]+:|#|[A-Z][A-Za-z]+[/?]|[0-9a-f]{8}-[0-9a-f]{4}-|[A-Za-z0-9+/=]{200}|\Z", re.ASCII
).match
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"(:?)')
_LIST = re.compile(rb'":\["([^\]]*)"\]')
_TAG, _WORD = re.compile(r"<[^>]*>"), re.compile(r"[^\W_]+")
_KEPT = 100_000
"""Texts that are known to hold words, kept by one process."""
_BEHIND_META = len('"lastUpdated":"2026-01-01T00:00:00.000Z"')
MOST_WORDS, LONGEST_WORD, MOST_PLACES, LAST_PLACE = 30_000, 100, 255, 16_000
"""What one vector takes in: Postgres holds 1 MB, 255 places of a word, and places up to 16,383."""

_known: set[bytes] = set()


def texts(body: bytes) -> list[bytes]:
    """The texts of a resource's JSON that hold words, each once, still escaped.

    10 us a resource of Synthea's (docs/performance.md): splitting finds the values of members, and the few lists of texts are looked at again.
    """
    start = body.find(b'"lastUpdated":"')
    kept = body[start + _BEHIND_META :] if 0 <= start < 300 else body
    if b'\\"' in kept:
        values = dict.fromkeys([text for text, colon in _STRING.findall(kept) if not colon])
    else:
        values = dict.fromkeys([piece.partition(b'"')[0] for piece in kept.split(b'":"')[1:]])
        if b'":["' in kept:
            values |= dict.fromkeys([text for found in _LIST.findall(kept) for text in found.split(b'","')])
    if len(_known) > _KEPT:
        _known.clear()
    _known.update([v for v in values if v not in _known and not _NO_WORDS(v)])
    return [v for v in values if v in _known]


def escaped(text: str) -> bytes:
    """A text as it would stand in JSON, which matters only where it has a backslash."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode() if "\\" in text else text.encode()


def key(said: Iterable[bytes]) -> int | None:
    """The number that stands for these texts: 64 bits of their hash, nothing where nothing is said."""
    joined = b"\n".join(said)
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "big", signed=True) if joined else None


def vector(said: Iterable[bytes]) -> str:
    """The texts as a literal of Postgres' type tsvector; between two texts there is a gap that no phrase spans."""
    places: dict[str, list[int]] = {}
    at = 0
    for text in said:
        for word in words(_plain(text)):
            at += 1
            if len(places) < MOST_WORDS or word in places:
                places.setdefault(word, []).append(min(at, LAST_PLACE))
        at += 2
    return " ".join(f"'{word}':{','.join(map(str, found[:MOST_PLACES]))}" for word, found in places.items())


def _plain(text: bytes) -> str:
    decoded = str(json.loads(b'"%s"' % text)) if b"\\" in text else text.decode()
    return html.unescape(_TAG.sub(" ", decoded)) if decoded.startswith("<") else decoded


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return [word[:LONGEST_WORD] for word in _WORD.findall(without_accents(text))]


_TOKEN = re.compile(r'\s*(?:(?P<quoted>"[^"]*")|(?P<bracket>[()])|(?P<word>[^\s()"]+))')


def parse_words(text: str, name: str) -> str:
    """`(bone OR liver) and metas*` as a literal of type tsquery. Raises BAD_PARAMETER.

    Words side by side are joined by AND; "quoted words" stand side by side; NOT or a minus sign denies; a star takes every ending.
    """
    reader = _Reader([m.group().strip() for m in _TOKEN.finditer(text)], name)
    found = reader.either()
    if reader.tokens:
        raise reader.refuse()
    return found


class _Reader:
    """Recursive descent over the tokens that are left."""

    def __init__(self, tokens: list[str], name: str) -> None:
        self.tokens, self.name = tokens, name

    def refuse(self) -> FhirError:
        wanted = 'words, "quoted words", AND, OR, NOT and brackets'
        return FhirError(Problem.BAD_PARAMETER, f"{self.name}: expected {wanted}.")

    def is_next(self, *wanted: str) -> bool:
        return bool(self.tokens) and self.tokens[0].upper() in wanted

    def either(self) -> str:
        parts = [self.both()]
        while self.is_next("OR"):
            self.tokens.pop(0)
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else f"({' | '.join(parts)})"

    def both(self) -> str:
        parts = [self.single()]
        while self.tokens and not self.is_next("OR", ")"):
            if self.is_next("AND"):
                self.tokens.pop(0)
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else f"({' & '.join(parts)})"

    def single(self) -> str:
        if not self.tokens or self.is_next(")", "AND", "OR"):
            raise self.refuse()
        token = self.tokens.pop(0)
        if token.upper() == "NOT":
            return f"!{self.single()}"
        if token == "(":
            inner = self.either()
            if not self.is_next(")"):
                raise self.refuse()
            self.tokens.pop(0)
            return inner
        return f"!{self.phrase(token[1:])}" if token[0] == "-" and len(token) > 1 else self.phrase(token)

    def phrase(self, token: str) -> str:
        found = [f"'{word}'" for word in words(token)]
        if not found:
            raise self.refuse()
        if token.endswith("*"):
            found[-1] += ":*"
        return found[0] if len(found) == 1 else f"({' <-> '.join(found)})"

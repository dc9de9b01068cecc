"""Cursor: where a page begins, signed so that nobody can make one up or use it for another search.

Base64 of a JSON list behind the first 12 bytes of its HMAC-SHA256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

from fhir_server.r4.outcome import FhirError, Problem

Position = tuple[str | int | None, ...]
_SIGNATURE = 12


@dataclass(frozen=True, slots=True)
class Cursor:
    """The match that a page stands next to: its sort keys, its rid, how many matches came before, and which way to go."""

    keys: tuple[str | None, ...]
    rid: int
    seen: int
    is_backward: bool = False

    def text(self, key: bytes, about: str) -> str:
        """Signed; `about` is the order that the cursor is good for."""
        return write((int(self.is_backward), self.seen, self.rid, *self.keys), key, about)

    @staticmethod
    def of(text: str, key: bytes, about: str) -> Cursor:
        """Raises BAD_PARAMETER."""
        backward, seen, rid, *keys = read(text, key, about)
        return Cursor(
            tuple(k if k is None else str(k) for k in keys), int(rid or 0), int(seen or 0), bool(backward)
        )


def write(position: Position, key: bytes, about: str = "") -> str:
    """The cursor's text, safe in a URL."""
    body = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_signed(body, key, about) + body).decode().rstrip("=")


def read(text: str, key: bytes, about: str = "") -> Position:
    """The position. Raises BAD_PARAMETER where the text is not one of ours."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _refused() from None
    signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
    if not hmac.compare_digest(signature, _signed(body, key, about)):
        raise _refused()
    return tuple(json.loads(body))


def _signed(body: bytes, key: bytes, about: str) -> bytes:
    return hmac.new(key, about.encode() + body, hashlib.sha256).digest()[:_SIGNATURE]


def _refused() -> FhirError:
    return FhirError(
        Problem.BAD_PARAMETER, "_cursor: not a cursor of this server; use the links of a searchset."
    )

"""Cursor: where a page ended, signed so that nobody can make one up.

Base64 of a JSON list [sort keys..., rid] behind the first 12 bytes of its HMAC-SHA256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from fhir_server.r4.outcome import FhirError, Problem

Position = tuple[str | int | None, ...]
_SIGNATURE = 12


def write(position: Position, key: bytes) -> str:
    """The cursor's text, safe in a URL."""
    body = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_signed(body, key) + body).decode().rstrip("=")


def read(text: str, key: bytes) -> Position:
    """The position. Raises BAD_PARAMETER where the text is not one of ours."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _refused() from None
    signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
    if not hmac.compare_digest(signature, _signed(body, key)):
        raise _refused()
    return tuple(json.loads(body))


def _signed(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()[:_SIGNATURE]


def _refused() -> FhirError:
    return FhirError(
        Problem.BAD_PARAMETER, "_cursor: not a cursor of this server; use the links of a searchset."
    )

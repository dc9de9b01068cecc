"""Content-Encoding: bodies that come packed, and answers that go packed where it is worth it.

gzip and zstd, both ways; a body is unpacked no further than the limit. https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import zstandard

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.request import accepts

KNOWN = ("gzip", "zstd", "identity")
COMPRESSED_FROM = 4096
"""Bytes from which an answer is worth compressing."""


def unpacked(coding: str, body: bytes, most: int) -> bytes:
    """The body itself, or one byte more than `most` of it. Raises UNSUPPORTED_MEDIA, and BAD_REQUEST where it is not packed so."""
    coding = coding.strip().lower() or "identity"
    if coding not in KNOWN:
        raise FhirError(Problem.UNSUPPORTED_MEDIA, "Content-Encoding: expected gzip, zstd, or none.")
    if coding == "identity":
        return body
    try:
        return _UNPACK[coding](body, most + 1)
    except (zlib.error, zstandard.ZstdError, EOFError):
        said = f"Content-Encoding: the body is not {coding}, or ends too early."
        raise FhirError(Problem.BAD_REQUEST, said) from None


def _gunzip(body: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    found = unpacker.decompress(body, most)
    if len(found) < most and not unpacker.eof:
        raise EOFError
    return found


def _unzstd(body: bytes, most: int) -> bytes:
    if not body:
        raise EOFError
    found = zstandard.ZstdDecompressor().stream_reader(body).read(most)
    declared = zstandard.frame_content_size(body)
    if len(found) < min(declared, most):
        raise EOFError
    return found


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gunzip, "zstd": _unzstd}


def packed(accepted: str, body: bytes) -> tuple[bytes, str]:
    """The body for who accepts so (Accept-Encoding), and the coding; "" where it goes as it is."""
    if len(body) < COMPRESSED_FROM or not accepted:
        return body, ""
    if accepts(accepted, "zstd"):
        return zstandard.ZstdCompressor(level=1).compress(body), "zstd"
    if accepts(accepted, "gzip"):
        return gzip.compress(body, 1), "gzip"
    return body, ""

"""Bodies: resources as bytes, compressed with zstd and a dictionary trained on FHIR JSON.

The frame names its dictionary, so a later one can stand beside it; what is stored is served without being parsed.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources

import zstandard

LEVEL = 3
_local = threading.local()


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    data = resources.files("fhir_server.store").joinpath("dictionaries/1.zdict").read_bytes()
    trained = zstandard.ZstdCompressionDict(data)
    trained.precompute_compress(level=LEVEL)
    return trained


def compress(body: bytes) -> bytes:
    """A zstd frame."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=_dictionary(), write_checksum=False
        )
    return bytes(compressor.compress(body))


def decompress(frame: bytes) -> bytes:
    """The body again."""
    decompressor = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor(dict_data=_dictionary())
    return bytes(decompressor.decompress(frame))

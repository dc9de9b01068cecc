"""One JSON document of the provider's: https (or loopback), no redirects, not larger than it has to be.

The one place where this server asks another one; the address comes from the settings or from the provider's own document.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from fhir_server.settings import is_loopback

TIMEOUT_SECONDS = 5.0
MOST_BYTES = 262_144


class Unreachable(Exception):
    """The document could not be had; the text says why, for the log."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def fetch(address: str) -> dict[str, Any]:
    """The object at this address. Raises Unreachable."""
    if not is_safe(address):
        raise Unreachable("expected https, or http on loopback")
    try:
        with _OPENER.open(address, timeout=TIMEOUT_SECONDS) as answer:
            body = answer.read(MOST_BYTES + 1)
        found = json.loads(body) if len(body) <= MOST_BYTES else None
    except (URLError, OSError, ValueError, RecursionError) as error:
        raise Unreachable(type(error).__name__) from None
    if not isinstance(found, dict):
        raise Unreachable("expected a JSON object of at most 256 KiB")
    return found


def is_safe(address: object) -> bool:
    """Whether nobody on the way can change what is read there."""
    parts = urlsplit(address) if isinstance(address, str) else None
    if parts is None or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))

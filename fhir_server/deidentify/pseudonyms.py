"""Pseudonyms: the same id or identifier becomes the same other one, and nobody without the key can tell which it was.

HMAC-SHA256, so that neither a list of all numbers nor another export leads back. https://www.rfc-editor.org/rfc/rfc2104
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from uuid import UUID

from fhir_server.r4.definitions import TYPE_CODE

_LOCAL = re.compile(r"([A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """`key`: the secret."""

    key: str = field(repr=False)

    def of(self, what: str) -> str:
        """32 letters and digits."""
        return hmac.new(self.key.encode(), what.encode(), hashlib.sha256).hexdigest()[:32]

    def logical_id(self, resource_type: str, logical_id: str) -> str:
        """A resource's id."""
        return self.of(f"{resource_type}/{logical_id}")

    def identifier(self, system: object, value: object) -> str:
        """The value of an Identifier."""
        return self.of(f"identifier {system or ''}|{value or ''}")

    def reference(self, text: str) -> str:
        """What a reference points to, under its pseudonym; an address elsewhere and a condition become ids of their own."""
        if text.startswith("#"):
            return "#" + (self.of(text) if text != "#" else "")
        if match := _LOCAL.match(text):
            return f"{match[1]}/{self.logical_id(match[1], match[2])}"
        kind = next((part for part in re.split(r"[/?]", text)[::-1] if part in TYPE_CODE), "")
        return f"{kind}/{self.of(text)}" if kind else f"urn:uuid:{UUID(self.of(text))}"

"""What OAuth calls an error, and the secrets that it deals in.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1 and #section-5.2
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from hashlib import sha256


class OAuthError(Exception):
    """`code` is one of the RFC's words; the description never holds what came in."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def status(self) -> int:
        """HTTP status at the token endpoint."""
        return 401 if self.code == "invalid_client" else 400

    def as_json(self) -> dict[str, str]:
        """As the token endpoint answers it."""
        return {"error": self.code, "error_description": self.description}


def new_secret() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters; one that comes twice is an error, an empty one is as good as none."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise OAuthError("invalid_request", "A parameter came more than once.")
        found[name] = value
    return {name: value for name, value in found.items() if value}

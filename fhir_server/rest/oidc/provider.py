"""Provider: what an OpenID provider says of itself, and its signing keys; read again when they grow old or a new key turns up.

A key that the provider takes back stops counting within FRESH; where the provider is away, what is known serves until STALE.
https://openid.net/specs/openid-connect-discovery-1_0.html, https://www.rfc-editor.org/rfc/rfc7517
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.keys import NEVER
from fhir_server.rest.oidc.fetch import Unreachable, fetch, is_safe

LOG = logging.getLogger("chartline.oidc")
FRESH = timedelta(minutes=10)
LOOK_AGAIN_AFTER = timedelta(seconds=30)
"""An unknown key id makes us ask the provider, but not more often than this, whoever sends what."""
STALE = timedelta(hours=1)
ALGORITHMS = ("RS256", "RS384", "ES256", "ES384")
"""Asymmetric ones alone: with a shared secret, or without a signature, anybody could issue tokens."""
CURVES = {"P-256": "ES256", "P-384": "ES384"}
LEAST_BITS = 2048

Key = RSAKey | ECKey
Fetch = Callable[[str], dict[str, Any]]


@dataclass
class Provider:
    """`issuer` exactly as the settings have it."""

    issuer: str
    clock: Callable[[], datetime]
    fetch: Fetch = fetch
    _document: Mapping[str, Any] = field(default_factory=dict)
    _keys: Mapping[str, Key] = field(default_factory=dict, repr=False)
    _read_at: datetime = NEVER
    _tried_at: datetime = NEVER
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def key(self, kid: str, algorithm: str) -> Key:
        """The key of this id, where it is for this algorithm. Raises ValueError, or UNAVAILABLE where no keys can be had."""
        self._refresh(FRESH)
        if kid not in self._keys:
            self._refresh(LOOK_AGAIN_AFTER)
        self._require_known()
        key = self._keys.get(kid)
        if key is None or algorithm not in algorithms_of(key):
            raise ValueError("no such key")
        return key

    @property
    def document(self) -> Mapping[str, Any]:
        """The provider's own description. Raises UNAVAILABLE where it cannot be had."""
        self._refresh(FRESH)
        self._require_known()
        return self._document

    def _require_known(self) -> None:
        if self.clock() - self._read_at > STALE:
            raise FhirError(Problem.UNAVAILABLE, "The identity provider cannot be reached.")

    def _refresh(self, age: timedelta) -> None:
        """Read again what is older than this; one thread at a time, and after a failure not at once."""
        with self._lock:
            now = self.clock()
            if now - self._read_at < age or now - self._tried_at < min(age, LOOK_AGAIN_AFTER):
                return
            self._tried_at = now
            try:
                document = described(self.issuer, self.fetch)
                self._keys = signing_keys(self.fetch(document["jwks_uri"]))
                self._document, self._read_at = document, now
            except Unreachable as error:
                LOG.warning("the identity provider cannot be read (%s)", error)


def described(issuer: str, get: Fetch) -> dict[str, Any]:
    """The provider's document, where it speaks for itself. Raises Unreachable."""
    found = get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise Unreachable("its document names another issuer")
    if not is_safe(found.get("jwks_uri")):
        raise Unreachable("its document has no safe jwks_uri")
    return found


def signing_keys(found: Mapping[str, Any]) -> dict[str, Key]:
    """The public keys that may sign, by id; what is no such key is left out, and so is an id that two keys have."""
    listed = found.get("keys")
    keys: dict[str, Key] = {}
    twice: set[str] = set()
    for row in listed if isinstance(listed, list) else ():
        key = _key(row)
        if key is not None and key.kid:
            twice |= {key.kid} & keys.keys()
            keys[key.kid] = key
    return {kid: key for kid, key in keys.items() if kid not in twice}


def _key(row: Any) -> Key | None:
    if not isinstance(row, dict) or row.get("kty") not in ("RSA", "EC") or row.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in row.items() if name not in ("d", "p", "q", "dp", "dq", "qi")}
    try:
        key = JWKRegistry.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, Key) and algorithms_of(key) else None


def algorithms_of(key: Key) -> tuple[str, ...]:
    """What the key may sign with, by its kind, its size, and what the provider says of it."""
    if isinstance(key, ECKey):
        fitting = tuple(filter(None, (CURVES.get(key.curve_name),)))
    else:
        fitting = ("RS256", "RS384") if key.raw_value.key_size >= LEAST_BITS else ()
    return tuple(a for a in fitting if key.alg in (None, a))

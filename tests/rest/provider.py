"""A small OpenID provider on loopback: its document, its keys, and tokens signed with any key and any algorithm."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

Key = RSAKey | ECKey
AUDIENCE = "https://chart.example/fhir"


class Stub:
    """`keys` are published; `asked` counts what was fetched; with `is_away` it answers 503."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self.keys = keys
        self.asked: list[str] = []
        self.is_away = False
        self.document: dict[str, Any] = {}
        self.issuer = ""

    def answers(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if self.is_away:
            return None
        if path == "/realms/r/.well-known/openid-configuration":
            own = {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/certs",
                "token_endpoint": f"{self.issuer}/token",
            }
            return own | {"authorization_endpoint": f"{self.issuer}/auth"} | self.document
        if path == "/realms/r/certs":
            return {"keys": list(KeySet(list(self.keys.values())).as_dict(private=False)["keys"])}
        return None

    def token(
        self, algorithm: str = "RS256", *, header: Any = (), key: Key | None = None, **claims: Any
    ) -> str:
        """An access token of a clinician's, as the claims change it; a claim that is None is left out."""
        now = datetime.now(UTC)
        usual = {
            "iss": self.issuer,
            "aud": [AUDIENCE, "account"],
            "sub": "u-1",
            "jti": "t-1",
            "azp": "app",
            "typ": "Bearer",
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "role": ["clinician", "other"],
            "fhirUser": "https://chart.example/fhir/Practitioner/7",
            "scope": "openid user/*.cruds",
        }
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        signing = key or next(k for k in self.keys.values() if algorithm in fitting(k))
        head = {"alg": algorithm, "kid": signing.kid, "typ": "JWT", **dict(header)}
        return jwt.encode(head, said, signing, algorithms=[algorithm])


def fitting(key: Key) -> tuple[str, ...]:
    """What a key can sign with."""
    if isinstance(key, RSAKey):
        return ("RS256", "RS384", "RS512", "PS256")
    return {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}[key.curve_name]


@contextmanager
def providing(keys: dict[str, Key]) -> Iterator[Stub]:
    """The provider, for as long as the block lasts."""
    stub = Stub(keys)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = stub.answers(self.path)
            body = json.dumps(found).encode()
            self.send_response(200 if found else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.issuer = f"http://127.0.0.1:{server.server_port}/realms/r"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

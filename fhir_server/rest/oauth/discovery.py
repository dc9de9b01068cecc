"""/.well-known/smart-configuration: where the endpoints are and what they can do.

https://hl7.org/fhir/smart-app-launch/STU2/conformance.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.rest.keys import ALGORITHM
from fhir_server.rest.oauth.assertion import ASSERTION_ALGORITHMS
from fhir_server.rest.oauth.scopes import PLAIN
from fhir_server.rest.oauth.token import GRANT_TYPES

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-ehr-patient",
    "context-standalone-patient",
    "context-banner",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
RESOURCE_SCOPES = ("patient/*.rs", "user/*.cruds", "system/*.cruds")


def smart_configuration(address: str, issuer: str) -> dict[str, Any]:
    """The document; `address` is the server's own, without a path."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{address}/auth/jwks",
        "authorization_endpoint": f"{address}/auth/authorize",
        "token_endpoint": f"{address}/auth/token",
        "introspection_endpoint": f"{address}/auth/introspect",
        "revocation_endpoint": f"{address}/auth/revoke",
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "scopes_supported": [*PLAIN, *RESOURCE_SCOPES],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "capabilities": list(CAPABILITIES),
    }


def openid_configuration(address: str, issuer: str) -> dict[str, Any]:
    """The same for OpenID Connect. https://openid.net/specs/openid-connect-discovery-1_0.html"""
    more = {"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": [ALGORITHM]}
    return {**smart_configuration(address, issuer), **more}

"""The addresses beside /fhir where an outside provider issues the tokens: SMART's discovery points there, and nobody signs in here.

https://hl7.org/fhir/smart-app-launch/STU2/conformance.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.interactions.context import Service
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest import response
from fhir_server.rest.auth import Auth, auth_of
from fhir_server.rest.endpoint import incoming_of, sent
from fhir_server.rest.response import Outgoing, json_answer
from fhir_server.rest.tokens import refusal

HANDED_ON = (
    *(
        "issuer",
        "jwks_uri",
        "authorization_endpoint",
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
    ),
    *("registration_endpoint", "grant_types_supported", "response_types_supported", "scopes_supported"),
    *("code_challenge_methods_supported", "token_endpoint_auth_methods_supported"),
    "token_endpoint_auth_signing_alg_values_supported",
)
CLIENTS = {
    "none": "client-public",
    "client_secret_basic": "client-confidential-symmetric",
    "private_key_jwt": "client-confidential-asymmetric",
}
OURS = ("permission-patient", "permission-user", "permission-v1", "permission-v2")
"""What this server enforces; launches are the provider's matter."""


def outside_router(service: Service) -> APIRouter:
    """The router."""
    router, auth = APIRouter(include_in_schema=False), auth_of(service)
    for (method, path), handler in ROUTES.items():
        router.add_api_route(path, _route(service, auth, handler), methods=[method])
    return router


def _route(service: Service, auth: Auth, handler: Callable[[Auth], Outgoing]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        incoming = incoming_of(service, request)
        try:
            found = await run_in_threadpool(handler, auth)
        except FhirError as error:
            found = response.refused(incoming, error)
        return sent(incoming, found)

    return answer


def smart_configuration(document: Mapping[str, Any]) -> dict[str, Any]:
    """SMART's document, out of the provider's own."""
    methods = document.get("token_endpoint_auth_methods_supported", ())
    kinds = [kind for method, kind in CLIENTS.items() if method in methods]
    handed = {name: document[name] for name in HANDED_ON if name in document}
    return {**handed, "capabilities": ["sso-openid-connect", *kinds, *OURS]}


def _smart(auth: Auth) -> Outgoing:
    assert auth.verifier is not None
    return json_answer(200, smart_configuration(auth.verifier.provider.document))


def _nobody(auth: Auth) -> Outgoing:
    raise refusal()


def _elsewhere(auth: Auth) -> Outgoing:
    raise FhirError(Problem.FORBIDDEN, f"Sign-in is at {auth.settings.oidc_issuer}.")


ROUTES: dict[tuple[str, str], Callable[[Auth], Outgoing]] = {
    ("GET", "/fhir/.well-known/smart-configuration"): _smart,
    ("GET", "/auth/me"): _nobody,
    ("POST", "/auth/login"): _elsewhere,
    ("POST", "/auth/token"): _elsewhere,
    ("GET", "/auth/authorize"): _elsewhere,
}

"""The addresses of the authorization server, and the way through an authorization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.interactions.context import Service
from fhir_server.r4.outcome import FhirError
from fhir_server.rest import response
from fhir_server.rest.auth import auth_of, cookie_name, require_own_page
from fhir_server.rest.endpoint import incoming_of, read_body, sent
from fhir_server.rest.oauth import authorize, discovery, pages
from fhir_server.rest.oauth.assertion import find
from fhir_server.rest.oauth.authorize import AuthorizationRequest
from fhir_server.rest.oauth.grants import Grants
from fhir_server.rest.oauth.inspect import introspect
from fhir_server.rest.oauth.problem import OAuthError, once
from fhir_server.rest.oauth.scopes import needs_patient
from fhir_server.rest.oauth.token import Asking, Desk, revoke, token
from fhir_server.rest.rates import Rates, rates_of
from fhir_server.rest.request import FORM, Incoming
from fhir_server.rest.response import Outgoing, json_answer
from fhir_server.rest.signin_routes import record_sign_in
from fhir_server.rest.tokens import SESSION, Token, refusal
from fhir_server.settings import Settings, is_loopback

MOST_BYTES = 32_768
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
CAME_AGAIN = "again"

Handler = Callable[[Desk, Incoming], Outgoing]


def oauth_router(service: Service) -> APIRouter:
    """The router. /fhir/.well-known lies under the FHIR endpoint's address, so this router has to come before that."""
    router, auth = APIRouter(include_in_schema=False), auth_of(service)
    desk = Desk(service, auth, Grants(service.database, auth.revocations), address_of(service.settings))
    rates = rates_of(service.settings)
    for (method, path), handler in ROUTES.items():
        router.add_api_route(path, _route(desk, handler, rates), methods=[method])
    return router


def address_of(settings: Settings) -> str:
    """The server's own address. It never comes from the request, which anybody can give any Host."""
    return settings.base_url.rstrip("/") or f"http://{settings.host}:{settings.port}"


def _route(desk: Desk, handler: Handler, rates: Rates) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        incoming = incoming_of(desk.service, request)
        try:
            rates.take(incoming.client)
            incoming.body = await read_body(request, MOST_BYTES)
            found = await run_in_threadpool(handler, desk, incoming)
        except OAuthError as error:
            headers = (
                {"www-authenticate": "Basic"}
                if error.status == 401 and "authorization" in incoming.headers
                else {}
            )
            found = json_answer(error.status, error.as_json(), {**NO_STORE, **headers})
        except FhirError as error:
            found = response.refused(incoming, error)
        return sent(incoming, found)

    return handle


def show(desk: Desk, incoming: Incoming) -> Outgoing:
    """GET or POST of the app's request: sign in first, then the question."""
    pairs = parse_qsl(incoming.query) if incoming.method == "GET" else _form_pairs(incoming)
    given = [pair for pair in pairs if pair[0] != CAME_AGAIN]
    return _walk(desk, incoming, given, lambda request, query: _question(desk, incoming, request, query))


def answer(desk: Desk, incoming: Incoming) -> Outgoing:
    """The user's answer on our page (or the app's request by POST). A token of an app gives nothing: only a session does."""
    form = dict(_form_pairs(incoming))
    if "decision" not in form:
        return show(desk, incoming)
    session = _session(desk, incoming)
    require_own_page(incoming)
    if session is None:
        raise refusal()
    given = parse_qsl(form.get("request", ""))
    return _walk(
        desk, incoming, given, lambda request, query: _answered(desk, incoming, request, session, form)
    )


def _walk(
    desk: Desk,
    incoming: Incoming,
    pairs: list[tuple[str, str]],
    go_on: Callable[[AuthorizationRequest, str], Outgoing],
) -> Outgoing:
    """Errors go to a page of ours until the redirect_uri is known to be the app's, and then to the app."""
    try:
        given = once(pairs)
        client = find(desk.service.database, given.get("client_id", ""))
        uri = authorize.redirect_of(client, given)
        assert client is not None
    except OAuthError as error:
        return pages.failed(error.description)
    try:
        audiences = tuple(f"{address}/fhir" for address in _addresses(desk, incoming))
        return go_on(authorize.read_request(client, given, audiences), urlencode(given))
    except OAuthError as error:
        told = {"error": error.code, "error_description": error.description, "state": given.get("state", "")}
        return _to(authorize.with_query(uri, **told, iss=desk.auth.tokens.issuer))


def _question(desk: Desk, incoming: Incoming, request: AuthorizationRequest, query: str) -> Outgoing:
    session = _session(desk, incoming)
    path = f"/auth/authorize?{query}&{CAME_AGAIN}=1"
    if session is None:
        return pages.sign_in(path) if f"{CAME_AGAIN}=1" in incoming.query.split("&") else pages.again(path)
    scope = authorize.scope_for(request, session.actor.role)
    ask = needs_patient(scope) and not request.launch and session.actor.patient is None
    return pages.consent(
        request.client.name, session.actor.subject, scope, query, request.redirect_uri, ask_patient=ask
    )


def _session(desk: Desk, incoming: Incoming) -> Token | None:
    try:
        return desk.auth.tokens.verify(incoming.cookies.get(cookie_name(incoming), ""), SESSION)
    except FhirError:
        return None


def _answered(
    desk: Desk, incoming: Incoming, request: AuthorizationRequest, session: Token, form: dict[str, str]
) -> Outgoing:
    if form["decision"] != "allow":
        raise OAuthError("access_denied", "The user refused.")
    scope = authorize.scope_for(request, session.actor.role)
    database, now, access = desk.service.database, desk.now(), desk.auth.access(session.actor)
    patient = authorize.patient_for(request, scope, database, access, form.get("patient", "").strip(), now)
    record_sign_in(desk.service, incoming, replace(session.actor, client=request.client.client_id), True)
    code = authorize.issue_code(request, scope, database, session, patient, now)
    return _to(request.with_answer(desk.auth.tokens.issuer, code=code))


def _to(address: str) -> Outgoing:
    return Outgoing(303, headers={"location": address, **NO_STORE, "referrer-policy": "no-referrer"})


def _form(incoming: Incoming) -> dict[str, str]:
    return once(_form_pairs(incoming))


def _form_pairs(incoming: Incoming) -> list[tuple[str, str]]:
    if incoming.content_type != FORM:
        raise OAuthError("invalid_request", f"Content-Type: expected {FORM}.")
    return parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True)


def _asking(desk: Desk, incoming: Incoming) -> Asking:
    audiences = tuple(f"{address}/auth/token" for address in _addresses(desk, incoming))
    return Asking(incoming.headers.get("authorization", ""), audiences)


def _addresses(desk: Desk, incoming: Incoming) -> tuple[str, ...]:
    """The server's own address, and on this machine also the name that it was called by."""
    called = incoming.base.removesuffix("/fhir")
    return (desk.address, called) if is_loopback(urlsplit(called).hostname or "") else (desk.address,)


def _token(desk: Desk, incoming: Incoming) -> Outgoing:
    return json_answer(200, token(desk, _form(incoming), _asking(desk, incoming)), NO_STORE)


def _introspect(desk: Desk, incoming: Incoming) -> Outgoing:
    return json_answer(200, introspect(desk, _form(incoming), _asking(desk, incoming)), NO_STORE)


def _revoke(desk: Desk, incoming: Incoming) -> Outgoing:
    revoke(desk, _form(incoming), _asking(desk, incoming))
    return json_answer(200, {}, NO_STORE)


def _smart(desk: Desk, incoming: Incoming) -> Outgoing:
    return json_answer(
        200, discovery.smart_configuration(_addresses(desk, incoming)[-1], desk.auth.tokens.issuer)
    )


def _openid(desk: Desk, incoming: Incoming) -> Outgoing:
    return json_answer(
        200, discovery.openid_configuration(_addresses(desk, incoming)[-1], desk.auth.tokens.issuer)
    )


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/auth/authorize"): show,
    ("POST", "/auth/authorize"): answer,
    ("POST", "/auth/token"): _token,
    ("POST", "/auth/introspect"): _introspect,
    ("POST", "/auth/revoke"): _revoke,
    ("GET", "/fhir/.well-known/smart-configuration"): _smart,
    ("GET", "/.well-known/openid-configuration"): _openid,
    ("GET", "/.well-known/oauth-authorization-server"): _openid,
}

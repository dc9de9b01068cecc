"""/auth/login, /auth/logout, /auth/me and /auth/jwks: the web app's sign-in.

A session is a short signed token in a cookie that no script can read. /auth/me makes it anew once half of it has passed, so that who
works stays signed in, at most for a day. Where to go after a form is a path of this server and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.access import audit
from fhir_server.access.actor import Actor
from fhir_server.access.audit import Occasion
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose, usual_purpose
from fhir_server.access.scopes import written
from fhir_server.interactions.context import Context, Service
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest import response
from fhir_server.rest.auth import Auth, auth_of, cookie_name, is_https, require_own_page
from fhir_server.rest.endpoint import incoming_of, read_body, sent
from fhir_server.rest.rates import Rates, rates_of
from fhir_server.rest.request import FORM, Incoming
from fhir_server.rest.response import Outgoing, json_answer
from fhir_server.rest.signin import SESSION_LASTS, WINDOW
from fhir_server.rest.tokens import SESSION

MOST_BYTES = 16_384
NO_STORE = {"cache-control": "no-store"}
FAILED = "/?signin=failed"
AUTHORIZE = "/auth/authorize?"
"""The page of an authorization asks again by itself."""

_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9\-._~/?&=%+,:@#]*")

Handler = Callable[[Service, Auth, Incoming], Outgoing]


def auth_router(service: Service) -> APIRouter:
    """The router."""
    router, auth = APIRouter(include_in_schema=False), auth_of(service)
    rates = rates_of(service.settings)
    for (method, path), handler in ROUTES.items():
        router.add_api_route(path, _route(service, auth, handler, rates), methods=[method])
    return router


def _route(service: Service, auth: Auth, handler: Handler, rates: Rates) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        incoming = incoming_of(service, request)
        try:
            rates.take(incoming.client)
            incoming.body = await read_body(request, MOST_BYTES)
            found = await run_in_threadpool(handler, service, auth, incoming)
        except FhirError as error:
            wait = {"retry-after": str(int(WINDOW.total_seconds()))}
            found = response.refused(incoming, error, wait if error.problem is Problem.THROTTLED else None)
        return sent(incoming, found)

    return answer


def login(service: Service, auth: Auth, incoming: Incoming) -> Outgoing:
    """A name and a password as JSON (answered with who it is) or as a form (answered with a redirect)."""
    _require_no_foreign_page(incoming)
    given = _given(incoming)
    found = auth.signin.sign_in(given.get("username", ""), given.get("password", ""))
    record_sign_in(service, incoming, found.actor, bool(found.token))
    is_form = incoming.content_type == FORM
    if not found.token and is_form:
        wanted = safe_path(given.get("next", ""))
        return Outgoing(
            303, headers={"location": wanted if wanted.startswith(AUTHORIZE) else FAILED, **NO_STORE}
        )
    if not found.token:
        raise FhirError(Problem.UNAUTHENTICATED, "The name or the password is not right.")
    headers = {"set-cookie": _cookie(incoming, found.token), **NO_STORE}
    if is_form:
        return Outgoing(303, headers={"location": safe_path(given.get("next", "")), **headers})
    return json_answer(200, _shown(found.actor), headers)


def logout(service: Service, auth: Auth, incoming: Incoming) -> Outgoing:
    """End the session, here and for whoever holds a copy of the cookie."""
    session = auth.token_of(incoming)
    auth.revocations.revoke(session)
    record_sign_in(service, incoming, session.actor, True, out=True)
    headers = {"set-cookie": _cookie(incoming, ""), **NO_STORE}
    if incoming.content_type == FORM:
        return Outgoing(303, headers={"location": "/", **headers})
    return Outgoing(204, headers=headers)


def me(service: Service, auth: Auth, incoming: Incoming) -> Outgoing:
    """Who is signed in; 401 where nobody is. A session that is half over is made anew."""
    actor = auth.actor_of(incoming)
    headers = dict(NO_STORE)
    if renewed := _renewed(auth, incoming):
        headers["set-cookie"] = _cookie(incoming, renewed)
    return json_answer(200, _shown(actor), headers)


def _renewed(auth: Auth, incoming: Incoming) -> str:
    cookie = incoming.cookies.get(cookie_name(incoming), "")
    if not cookie or "authorization" in incoming.headers:
        return ""
    try:
        return auth.signin.renew(auth.tokens.verify(cookie, SESSION))
    except FhirError:
        return ""


def jwks(service: Service, auth: Auth, incoming: Incoming) -> Outgoing:
    """The public keys that our tokens can be verified with."""
    return json_answer(200, auth.keys.public(), {"cache-control": "public, max-age=60"})


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "/auth/login"): login,
    ("POST", "/auth/logout"): logout,
    ("GET", "/auth/me"): me,
    ("GET", "/auth/jwks"): jwks,
}


def safe_path(wanted: str) -> str:
    """The path, where it can only be one of this server; else the first page."""
    return wanted if _PATH.fullmatch(wanted) else "/"


def _require_no_foreign_page(incoming: Incoming) -> None:
    """Nobody is signed in from a page of another site, which could be as somebody else."""
    if "origin" in incoming.headers:
        require_own_page(incoming)
    elif incoming.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise FhirError(Problem.FORBIDDEN, "This request comes from a page of another site.")


def _given(incoming: Incoming) -> dict[str, str]:
    if incoming.content_type == FORM:
        return dict(parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True))
    if incoming.content_type != "application/json":
        raise FhirError(Problem.UNSUPPORTED_MEDIA, f"Content-Type: expected application/json or {FORM}.")
    found = json.decode_object(incoming.body)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _shown(actor: Actor) -> dict[str, Any]:
    found = {"subject": actor.subject, "role": actor.role.value, "scope": written(actor.scopes)}
    named = {"fhirUser": actor.fhir_user, "patient": actor.patient}
    return {**found, **{name: value for name, value in named.items() if value}}


def _cookie(incoming: Incoming, token: str) -> str:
    age = int(SESSION_LASTS.total_seconds()) if token else 0
    flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if is_https(incoming) else "")
    return f"{cookie_name(incoming)}={quote(token)}; Path=/; Max-Age={age}{flags}"


def record_sign_in(
    service: Service, incoming: Incoming, actor: Actor, succeeded: bool, *, out: bool = False
) -> None:
    """Nobody is signed in without a trace."""
    now = service.clock()
    on = Occasion(actor, usual_purpose(actor.role), now, incoming.client, request_id=incoming.request_id)
    access = decide(Actor.system(), Purpose.HSYSADMIN)
    context = Context(service, access, incoming.base, request_id=incoming.request_id)
    context.record_event(audit.signed_in(on, succeeded, out=out))
    context.finish()

"""app: the one place where the parts meet: a Service, the way in over HTTP, and whatever stands beside FHIR.

`create_app` is for one process; `chartline serve` starts one or more of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fhir_server.access.actor import Actor
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.interactions.about import VERSION
from fhir_server.interactions.context import Context, Service
from fhir_server.operations.publish import publish
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest import openapi, response
from fhir_server.rest.auth import authenticator
from fhir_server.rest.docs_page import add_page
from fhir_server.rest.endpoint import Endpoint, incoming_of, sent
from fhir_server.rest.health import health_router
from fhir_server.rest.keeper import Keeper
from fhir_server.rest.oauth.routes import oauth_router
from fhir_server.rest.oidc.routes import outside_router
from fhir_server.rest.rates import rates_of
from fhir_server.rest.signin_routes import auth_router
from fhir_server.store.reindexing import Reindexing

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
MakeRouter = Callable[[Service], APIRouter]


class Beside(Protocol):
    """What stands beside /fhir and asks through it: its routes, and what runs as long as the application does."""

    @property
    def routes(self) -> list[BaseRoute]: ...
    def running(self) -> AbstractAsyncContextManager[None]: ...


MakeBeside = Callable[[Endpoint], Beside]


def create_app(
    service: Service, routers: Sequence[MakeRouter] = (), beside: Sequence[MakeBeside] = ()
) -> FastAPI:
    """The application. `routers` and `beside` are what other layers add (the web app, the tools)."""

    keeper, reindexing = Keeper(service), Reindexing(service.database, service.writer)
    endpoint = Endpoint(service, authenticator(service), rates_of(service.settings))
    others = [make(endpoint) for make in beside]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        keeper.start()
        reindexing.start()
        async with AsyncExitStack() as stack:
            for other in others:
                await stack.enter_async_context(other.running())
            yield
        await run_in_threadpool(reindexing.stop)
        await run_in_threadpool(keeper.stop)
        service.database.close()

    publish(Context(service, decide(Actor.system("chartline"), Purpose.HOPERAT), "/fhir", trail=None))
    app = FastAPI(title="Chartline", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    is_outside = bool(service.settings.oidc_issuer)
    way_in: list[MakeRouter] = [outside_router] if is_outside else [oauth_router, auth_router]
    for make in way_in:  # before /fhir: one of their addresses lies below that
        app.include_router(_with_head(make(service)))
    for path in ("/fhir", "/fhir/{path:path}"):
        app.router.routes.append(Route(path, endpoint, include_in_schema=False))
    for other in others:
        app.router.routes.extend(other.routes)
    app.include_router(_with_head(health_router(service)))
    for make in routers:
        app.include_router(_with_head(make(service)))
    _allow_browsers(app, service.settings.cors_origins)
    _answer_in_fhir(app, service)
    openapi.describe(app, service)
    add_page(app)
    return app


def _with_head(router: APIRouter) -> APIRouter:
    """HEAD wherever GET is. https://hl7.org/fhir/R4/http.html#head"""
    for route in router.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")
    return router


def _allow_browsers(app: FastAPI, origins: str) -> None:
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.strip() for origin in origins.split(",")],
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=[
                *("Accept-Patch", "Allow", "Content-Location", "ETag", "Last-Modified", "Link", "Location"),
                *("Retry-After", "WWW-Authenticate", "X-Request-Id"),
            ],
        )


def _allow(error: Exception) -> dict[str, str]:
    """The header Allow, which the router knows."""
    headers = error.headers if isinstance(error, HTTPException) else None
    return {name.lower(): text for name, text in (headers or {}).items() if name.lower() == "allow"}


def _answer_in_fhir(app: FastAPI, service: Service) -> None:
    """Addresses that nobody has answer with an OperationOutcome as well."""

    def not_found(request: Request, error: Exception) -> Response:
        incoming = incoming_of(service, request)
        return sent(
            incoming,
            response.refused(
                incoming, FhirError(Problem.NO_ROUTE, "Nothing has this address; FHIR is under /fhir.")
            ),
        )

    def wrong_method(request: Request, error: Exception) -> Response:
        incoming = incoming_of(service, request)
        return sent(
            incoming,
            response.refused(
                incoming,
                FhirError(Problem.METHOD_NOT_ALLOWED, "This address does not know this method."),
                _allow(error),
            ),
        )

    app.add_exception_handler(404, not_found)
    app.add_exception_handler(405, wrong_method)

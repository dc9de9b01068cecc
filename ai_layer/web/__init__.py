"""The web app: plain HTML, CSS and JavaScript modules, served with a policy that allows no inline script and no other host.

`/` is the whole app; it speaks FHIR to /fhir like any other client. https://developer.mozilla.org/docs/Web/HTTP/CSP
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

from fhir_server.interactions.context import Service

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
FILES = (
    "index.html",
    "style.css",
    "app.js",
    "accesslog.js",
    "api.js",
    "record.js",
    "ask.js",
    "drafts.js",
    "chart.js",
    "circumstances.js",
    "dom.js",
    "icon.svg",
)


def web_router(service: Service) -> APIRouter:
    """The router of the app's files; what is not in the list is not served."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def index() -> Response:
        return _file("index.html")

    @router.get("/web/{name}")
    def file(name: str) -> Response:
        return _file(name) if name in FILES else Response(status_code=404)

    return router


@cache
def _content(name: str) -> bytes:
    return resources.files("ai_layer.web").joinpath(name).read_bytes()


def _file(name: str) -> Response:
    headers = {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return Response(_content(name), media_type=TYPES[name.rpartition(".")[2]], headers=headers)

"""/docs as a page of our own: what /openapi.json says, in HTML without script, style or a word from another host.

FastAPI's own page loads its script from elsewhere and runs it beside our sessions. https://developer.mozilla.org/docs/Web/HTTP/CSP
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

Json = dict[str, Any]
HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def add_page(app: FastAPI) -> None:
    """Serve it at /docs."""

    async def docs(request: Request) -> Response:
        return HTMLResponse(page(app.openapi()), headers=HEADERS)

    app.add_api_route("/docs", docs, methods=["GET", "HEAD"], include_in_schema=False)


def page(described: Json) -> str:
    """Every address with its methods and parameters."""
    title = escape(str(described.get("info", {}).get("title", "")))
    rows = "".join(_rows(described.get("paths", {})))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: API</title></head><body><h1>{title}</h1>'
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a>; what the server can do, in FHIR&#39;s words: '
        '<a href="/fhir/metadata">CapabilityStatement</a>.</p>'
        f'<table border="1"><thead><tr><th>Method</th><th>Address</th><th>Parameters</th></tr></thead><tbody>{rows}</tbody></table></body></html>'
    )


def _rows(paths: Json) -> Iterator[str]:
    for path, item in paths.items():
        for method, operation in item.items():
            names = ", ".join(escape(str(p.get("name", ""))) for p in operation.get("parameters", ()))
            yield f"<tr><td>{escape(method.upper())}</td><td><code>{escape(path)}</code></td><td>{names}</td></tr>"

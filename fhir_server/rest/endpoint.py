"""From an HTTP request to an HTTP answer: read the body, say who asks, find the handler, write what came of it.

The body is read on the event loop, everything else runs on a thread. Whatever fails is an OperationOutcome; a failure of ours shows
an id and nothing else. https://hl7.org/fhir/R4/http.html#Status-Codes
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fhir_server.access.decide import Access
from fhir_server.interactions.context import Context, Service
from fhir_server.operations.registry import EventStream
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest import binary, failing, response
from fhir_server.rest.packing import packed, unpacked
from fhir_server.rest.rates import Rates, owner_of
from fhir_server.rest.recording import recorded
from fhir_server.rest.request import Incoming, wanted_format
from fhir_server.rest.response import Outgoing
from fhir_server.rest.routes import OPEN_SHAPES, allowed, handler_of, shape_of
from fhir_server.store.trail import Trail

LOG = logging.getLogger("chartline.rest")
THREADS = 40
"""Requests that one process answers at the same time; more wait."""

Authenticate = Callable[[Incoming], Access]


@dataclass(slots=True)
class Endpoint:
    """Answers every address under /fhir."""

    service: Service
    authenticate: Authenticate
    rates: Rates
    threads: Executor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "request"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI app of its own: nothing that a framework does with a request is needed here."""
        found = await self.respond(Request(scope, receive, send))
        await found(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """The answer, whatever happens."""
        incoming = incoming_of(self.service, request)
        try:
            incoming.body = await read_body(request, self.service.settings.max_body)
        except FhirError as error:
            return sent(incoming, response.refused(incoming, error, failing.headers(incoming, error)))
        except ClientDisconnect:
            return Response(status_code=400)
        loop = asyncio.get_running_loop()
        return sent(incoming, await loop.run_in_executor(self.threads, self.answer, incoming))

    def answer(self, incoming: Incoming) -> Outgoing:
        """The whole way, on one thread."""
        try:
            return self._answer(incoming)
        except FhirError as error:
            headers = failing.headers(incoming, error)
            if error.problem is Problem.THROTTLED:
                headers = {**headers, "retry-after": self.rates.retry_after}
            return response.refused(incoming, error, headers)
        except psycopg.errors.DataError:
            outside = FhirError(Problem.BAD_REQUEST, "A value lies outside what the database can hold.")
            return response.refused(incoming, outside)
        except Exception as error:
            LOG.error("request %s failed: %s", incoming.request_id, _where(error))
            shown = FhirError(Problem.INTERNAL, f"An error of this server; its id is {incoming.request_id}.")
            return response.refused(incoming, shown)

    def _answer(self, incoming: Incoming) -> Outgoing:
        if incoming.method == "OPTIONS":
            return Outgoing(204, headers={"allow": ", ".join([*allowed(incoming.segments), "OPTIONS"])})
        handler = handler_of(incoming)
        if not binary.is_raw_read(incoming):
            wanted_format(incoming)
        if not binary.is_raw_write(incoming):
            incoming.require_readable()
        context = self.context_of(incoming)
        found = recorded(context, incoming, handler)
        if isinstance(found, EventStream):
            return Outgoing(
                200,
                headers={"content-type": "text/event-stream", "cache-control": "no-store"},
                stream=found.events,
            )
        return response.outgoing(incoming, found)

    def context_of(self, incoming: Incoming) -> Context:
        """Who asks, within the rate limit, with a trail of its own. Raises UNAUTHENTICATED, THROTTLED."""
        return Context(
            self.service,
            self._counted(incoming),
            incoming.base,
            incoming.is_lenient,
            request_id=incoming.request_id,
            trail=None if is_open(incoming) else Trail(incoming.client),
        )

    def _counted(self, incoming: Incoming) -> Access:
        """Who asks, within the rate limit; who cannot say it is counted by address."""
        try:
            access = self.authenticate(incoming)
        except FhirError as error:
            if error.problem is Problem.UNAUTHENTICATED:
                self.rates.take(incoming.client)
            raise
        self.rates.take(incoming.client if is_open(incoming) else owner_of(access))
        return access


def is_open(incoming: Incoming) -> bool:
    """Whether the address may be read without a token."""
    return shape_of(incoming.segments) in OPEN_SHAPES


def incoming_of(service: Service, request: Request) -> Incoming:
    """The request, its body still to come."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    given = headers.get("x-request-id", "")
    base = (service.settings.base_url or f"{request.url.scheme}://{request.url.netloc}") + "/fhir"
    return Incoming(
        request.method,
        request.path_params.get("path", ""),
        request.url.query,
        headers,
        b"",
        base,
        request.cookies,
        request.client.host if request.client else "",
        given if given.isascii() and given.isprintable() and 0 < len(given) <= 64 else service.new_id(),
    )


async def read_body(request: Request, most: int) -> bytes:
    """The whole body. Raises TOO_LARGE as soon as it is known to be."""
    refusal = FhirError(
        Problem.TOO_LARGE, f"The body has more than {most} bytes, which is the setting CHARTLINE_MAX_BODY."
    )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise refusal
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise refusal
    found = unpacked(request.headers.get("content-encoding", ""), bytes(body), most)
    if len(found) > most:
        raise refusal
    return found


def sent(incoming: Incoming, outgoing: Outgoing) -> Response:
    """As Starlette sends it."""
    headers = {
        **outgoing.headers,
        "x-request-id": incoming.request_id,
        "vary": "Accept, Accept-Encoding, Authorization, Prefer",
    }
    headers.setdefault("cache-control", "private, no-cache" if "etag" in headers else "no-store")
    if outgoing.stream is not None:
        return StreamingResponse(outgoing.stream, outgoing.status, headers)
    body, coding = packed(incoming.headers.get("accept-encoding", ""), outgoing.body)
    if coding:
        headers["content-encoding"] = coding
    if incoming.method == "HEAD":
        return Response(b"", outgoing.status, {**headers, "content-length": str(len(body))})
    return Response(body, outgoing.status, headers)


def _where(error: BaseException) -> str:
    """The kind of failure and the place in our code; never its message, which may hold parts of a record."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"

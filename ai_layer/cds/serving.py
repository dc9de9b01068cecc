"""/cds-services: discovery, the services and their feedback, as CDS Hooks 2.0 says. https://cds-hooks.hl7.org/2.0/#calling-a-cds-service

The caller's bearer token decides, as for /fhir. `fhirAuthorization` is not looked at: nothing is called back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ai_layer.cds.services import BY_ID, SERVICES, Service, cards, patient_of
from ai_layer.tools.calling import act
from fhir_server.interactions.context import Context
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest import failing, response
from fhir_server.rest.endpoint import Endpoint, incoming_of, read_body, sent
from fhir_server.rest.request import Incoming
from fhir_server.rest.response import Outgoing

PATH = "/cds-services"
MOST_BYTES = 1_000_000
Json = dict[str, Any]
Answer = Callable[[Incoming, Service], Json]


class CdsServer:
    """What stands beside /fhir."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @property
    def routes(self) -> list[BaseRoute]:
        """Discovery is open; the rest needs a token."""
        called = {f"{PATH}/{{id}}": self._cards, f"{PATH}/{{id}}/feedback": self._feedback}
        return [
            Route(PATH, self._discovery, methods=["GET"], include_in_schema=False),
            *(
                Route(path, self._route(answer), methods=["POST"], include_in_schema=False)
                for path, answer in called.items()
            ),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Nothing runs beside the requests."""
        yield

    async def _discovery(self, request: Request) -> Response:
        found = json.encode({"services": [service.described() for service in SERVICES]})
        return Response(found, media_type="application/json")

    def _route(self, answer: Answer) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            incoming = incoming_of(self._endpoint.service, request)
            incoming.cookies = {}
            try:
                incoming.body = await read_body(request, MOST_BYTES)
                service = BY_ID.get(request.path_params["id"])
                if service is None:
                    raise FhirError(Problem.NO_ROUTE, "There is no such CDS service.")
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._endpoint.threads, answer, incoming, service)
            except FhirError as error:
                return sent(incoming, response.refused(incoming, error, failing.headers(incoming, error)))
            return sent(incoming, Outgoing(200, json.encode(found), {"content-type": "application/json"}))

        return handle

    def _cards(self, incoming: Incoming, service: Service) -> Json:
        context = self._endpoint.context_of(incoming)
        asked = _called(incoming, service)

        def work(inside: Context) -> Json:
            return {"cards": cards(inside, service, asked)}

        return _told(context, service, f"Patient/{patient_of(asked)}/$cds-{service.hook}", work)

    def _feedback(self, incoming: Incoming, service: Service) -> Json:
        context = self._endpoint.context_of(incoming)
        found = json.decode_object(incoming.body).get("feedback")
        if not isinstance(found, list) or not all(
            isinstance(each, dict) and "card" in each for each in found
        ):
            raise FhirError(
                Problem.BAD_REQUEST, "feedback: expected a list of what became of each card.", "feedback"
            )
        return _told(context, service, f"$cds-{service.hook}-feedback", lambda inside: {})


def _told(context: Context, service: Service, path: str, work: Callable[[Context], Json]) -> Json:
    """The work, and its row in the audit log."""

    def done(inside: Context) -> Json:
        assert inside.trail is not None
        with inside.trail.during(inside.deed("operation", path)):
            return work(inside)

    return act(context, path, done)


def _called(incoming: Incoming, service: Service) -> Json:
    """The hook's context. Raises BAD_REQUEST where the call is not one of this service."""
    found = json.decode_object(incoming.body)
    if found.get("hook") != service.hook:
        raise FhirError(Problem.BAD_REQUEST, f"hook: this service is for {service.hook}.", "hook")
    try:
        UUID(str(found.get("hookInstance", "")))
    except ValueError:
        raise FhirError(Problem.BAD_REQUEST, "hookInstance: expected a UUID.", "hookInstance") from None
    asked = found.get("context")
    if not isinstance(asked, dict):
        raise FhirError(Problem.BAD_REQUEST, "context: expected an object.", "context")
    return asked

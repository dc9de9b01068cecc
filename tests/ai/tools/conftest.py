"""A server with the tools beside /fhir, on the small record of tests/ai."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from ai_layer.app import make_service
from ai_layer.tools.serving import ToolServer
from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.interactions.bundle import process
from fhir_server.interactions.context import Service
from fhir_server.r4 import json
from fhir_server.rest.auth import issue_token
from fhir_server.settings import Settings
from fixtures import scheduling
from tests.ai.conftest import RECORD
from tests.service import NOW, context_of, put
from tests.serving import listening

CallTool = Callable[..., CallToolResult]


@pytest.fixture
def guarded(dsn: str) -> Service:
    """Sign-in is needed; the record is there, and a clinic with free times."""
    made = make_service(Settings(pool=4, consent="opt-out"), dsn)
    made.clock = lambda: NOW
    put(context_of(made), RECORD)
    return made


@pytest.fixture
def address(guarded: Service) -> Iterator[str]:
    """Of the running server, without a path."""
    with listening(create_app(guarded, (), (ToolServer,))) as found:
        yield found


@pytest.fixture
def ann(guarded: Service) -> str:
    """A token of Ann's."""
    return issue_token(guarded, Role.PATIENT, "ann")


@pytest.fixture
def call(address: str, ann: str) -> CallTool:
    """A call by the official client; as Ann, unless another token is given."""

    def call(name: str, token: str = "", **arguments: Any) -> CallToolResult:
        return asyncio.run(_call(f"{address}/mcp", token or ann, name, arguments))

    return call


async def _call(url: str, token: str, name: str, arguments: dict[str, Any]) -> CallToolResult:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        found = await client.call_tool(name, arguments)
        assert isinstance(found, CallToolResult)
        return found


def free_times(service: Service) -> None:
    """The demo's clinic."""
    process(context_of(service), json.encode(scheduling.bundle(NOW)))

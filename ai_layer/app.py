"""app: fhir_server with the AI layer in it: passages kept by a hook, its operations, its migrations, and the web app."""

from __future__ import annotations

import gc
import os
from importlib import resources

from fastapi import FastAPI

from ai_layer import embed, operations
from ai_layer.cds.serving import CdsServer
from ai_layer.drafts import operations as drafts
from ai_layer.drafts.seal import DraftSeal
from ai_layer.index import PassageIndex
from ai_layer.meaning import Meaning
from ai_layer.settings import AiSettings
from ai_layer.tools import operations as tools
from ai_layer.tools.serving import ToolServer
from ai_layer.vectors import Vectors
from ai_layer.web import web_router
from fhir_server import service
from fhir_server.app import create_app
from fhir_server.commands import Distribution
from fhir_server.interactions.context import Service
from fhir_server.operations.registry import Operations
from fhir_server.settings import Settings
from fhir_server.store.guise import end_with_parent

MIGRATIONS = resources.files("ai_layer").joinpath("migrations")


def make_service(settings: Settings, dsn: str) -> Service:
    """A Service whose writes keep passages and the seal on drafts, and that knows the assistant's operations."""
    ai = AiSettings.of(settings)
    embedder = embed.embedder(ai.embedder)
    vectors = Vectors(embedder)
    made = service.open_service(
        settings,
        dsn,
        hooks=(DraftSeal(), PassageIndex(embedder), vectors),
        operations=Operations(
            (*service.OPERATIONS, *operations.OPERATIONS, *drafts.OPERATIONS, *tools.OPERATIONS)
        ),
        migrations=(MIGRATIONS,),
        ranker=Meaning(),
    )
    vectors.parameters = made.parameters
    return made


def make_app() -> FastAPI:
    """The ASGI application of one process, its settings out of the environment.

    What stands when it is made stays: the garbage collector need not walk through it in the middle of a request.
    """
    end_with_parent()
    settings = Settings.load(os.environ)
    app = create_app(make_service(settings, settings.dsn), (web_router,), (ToolServer, CdsServer))
    gc.collect()
    gc.freeze()
    return app


DISTRIBUTION = Distribution(make_service, "ai_layer.app:make_app", (service.MIGRATIONS, MIGRATIONS))

"""The commands of `chartline`, one file each: flags in, an exit code out. `__main__.py` lists them.

A Distribution says which Service a command works with: fhir_server's own, or the one that the AI layer adds to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from fhir_server.interactions.context import Service
from fhir_server.settings import Settings

MakeService = Callable[[Settings, str], Service]


@dataclass(frozen=True, slots=True)
class Distribution:
    """`make_service`: a module-level function, so that other processes can name it; `factory`: `module:function` of the ASGI app.

    `migrations`: the folders of its numbered SQL files."""

    make_service: MakeService
    factory: str
    migrations: tuple[Traversable, ...]

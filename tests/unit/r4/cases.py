"""Cases that change a base: `set` and `remove` by places with dots between them. See fixtures/cases/validation/README.md."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_server.r4 import json

Json = dict[str, Any]


def read(folder: Path) -> list[Any]:
    """The cases of a folder as parameters of a test."""
    return [
        pytest.param(case, id=f"{file.stem}: {case['it']}")
        for file in sorted(folder.glob("*.yaml"))
        if file.stem != "bases"
        for case in yaml.safe_load(file.read_text())
    ]


def changed(case: Json, bases: dict[str, Json]) -> Json:
    """The case's resource."""
    resource = deepcopy(bases[case["base"]])
    for place in case.get("remove", ()):
        holder, name = _at(resource, place)
        del holder[name]
    for place, value in case.get("set", {}).items():
        holder, name = _at(resource, place) if " " not in place else (resource, place)
        if isinstance(holder, list) and name == len(holder):
            holder.append(value)
        else:
            holder[name] = value
    found: Json = json.decode(json.encode(resource))
    return found


def _at(resource: Json, place: str) -> tuple[Any, Any]:
    """The object or list that holds the place, and the place's own name in it."""
    *outer, name = place.split(".")
    found: Any = resource
    for step in outer:
        found = found[int(step) if step.isdigit() else step]
    return found, int(name) if isinstance(found, list) else name

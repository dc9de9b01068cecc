"""Named SQL: a file holds statements under `-- name: read_version`, each with a line on what it is for.

The comments stay in the text, so that pg_stat_activity shows which statement runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

_NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)


@cache
def load(file: str = "queries.sql", package: str = "fhir_server.store") -> Mapping[str, str]:
    """The statements by name of a file in a package's folder `sql`. Raises ValueError where the file breaks the form."""
    return parse(resources.files(package).joinpath("sql", file).read_text("utf-8"))


def parse(text: str) -> Mapping[str, str]:
    """The statements of a text by name; what stands before the first name is a comment on the whole."""
    before, *parts = _NAME.split(text)
    if any(line and not line.startswith("--") for line in map(str.strip, before.splitlines())):
        raise ValueError("A statement stands before the first name.")
    found: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        statement = body.strip().removesuffix(";")
        if name in found:
            raise ValueError(f"The name {name} is given twice.")
        if all(line.startswith("--") or not line for line in map(str.strip, statement.splitlines())):
            raise ValueError(f"{name} has no statement.")
        found[name] = statement
    return MappingProxyType(found)

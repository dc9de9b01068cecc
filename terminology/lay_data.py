"""The plain-word entries, read once and found by code or by id.

Nothing is read before the first question: importing this module opens no file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from terminology.coding import Coding
from terminology.lay_entry import Kind, LayEntry, parse_entry

FILES = {
    "labs.json",
    "vitals.json",
    "conditions.json",
    "medications.json",
    "procedures.json",
    "immunizations.json",
    "allergens.json",
    "panels.json",
}


def read_json(*path: str) -> Any:
    """A data file of this package, by its path below terminology/data."""
    return json.loads(files("terminology").joinpath("data", *path).read_text(encoding="utf-8"))


@cache
def entries() -> tuple[LayEntry, ...]:
    """Every entry that we ship, file by file in the order of their names."""
    tables = (read_json("lay", name) for name in sorted(FILES))
    return tuple(
        parse_entry(Kind(table["kind"]), table["system"], row) for table in tables for row in table["entries"]
    )


@cache
def by_id() -> Mapping[str, LayEntry]:
    return {entry.id: entry for entry in entries()}


@cache
def by_code() -> Mapping[tuple[str, str], LayEntry]:
    return {coding.key: entry for entry in entries() for coding in entry.codings}


def entry_for(coding: Coding) -> LayEntry | None:
    """The entry of exactly this system and code."""
    return by_code().get(coding.key)

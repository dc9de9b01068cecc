"""The tables between code systems that we ship: one ConceptMap a file, as FHIR JSON, each with its source.

https://hl7.org/fhir/R4/conceptmap.html and https://build.fhir.org/ig/HL7/v2-to-fhir/ for the tables of HL7 v2
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def tables() -> tuple[dict[str, Any], ...]:
    """Every ConceptMap, in the order of the file names."""
    folder = files("mappings").joinpath("tables")
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=lambda p: p.name)
    return tuple(json.loads(path.read_text(encoding="utf-8")) for path in paths)

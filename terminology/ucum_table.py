"""What is known of UCUM without reading the library's registry, which takes a second: common units, and what cannot be a unit.

data/units.json holds the scale of each unit of HL7's value set `ucum-common`, computed by tools/compile_units.py. A code with a word that
is no atom of UCUM, with or without a prefix, is refused at once: https://ucum.org/ucum#section-Syntax-Rules
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

Scale = tuple[Decimal, Decimal, str]

TABLE: Final = Path(__file__).parent / "data" / "units.json"
WORD = re.compile(r"(?:\[[^\]]*\]|[^./()\[])+")
EXPONENT = re.compile(r"[+-]?[0-9]+$")
ATOM = re.compile(r"<(?P<kind>prefix|base-unit|unit)\b[^>]*?\bCode=\"(?P<code>[^\"]+)\"[^>]*>")
METRIC: Final = 'isMetric="yes"'


@cache
def scales() -> dict[str, Scale]:
    """Factor, offset and base units of each common code, which has no annotations."""
    table = json.loads(TABLE.read_text())
    return {code: (Decimal(factor), Decimal(offset), base) for code, (factor, offset, base) in table.items()}


def is_spelled(code: str) -> bool:
    """Whether each word of the code is a number or an atom of UCUM; its grammar is the library's to check."""
    words = WORD.findall(code)
    return bool(words) and all(word.isdecimal() or EXPONENT.sub("", word) in atoms() for word in words)


@cache
def atoms() -> frozenset[str]:
    """Every atom, and every metric one behind every prefix, by UCUM's own table."""
    found = list(ATOM.finditer(_essence().read_text(encoding="utf-8")))
    units = {match["code"] for match in found if match["kind"] != "prefix"}
    prefixes = [match["code"] for match in found if match["kind"] == "prefix"]
    metric = {
        m["code"] for m in found if m["kind"] == "base-unit" or (m["kind"] == "unit" and METRIC in m[0])
    }
    return frozenset(units | {prefix + unit for prefix in prefixes for unit in metric})


def _essence() -> Path:
    """UCUM's table inside the library, found without importing it, which takes 0.3 s."""
    spec = find_spec("ucumvert")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package ucumvert is not installed.")
    return Path(spec.origin).parent / "vendor" / "ucum-essence.xml"

"""LOINC, SNOMED CT and RxNorm as far as terminology.lay knows them: a fragment, with our plain names in place of theirs.

Whoever holds a licence loads the whole (`chartline load`); until then every answer says that it rests on a fragment.
"""

from __future__ import annotations

from functools import cache

from terminology.codes.concept import Concept
from terminology.codes.memory import MemorySystem
from terminology.coding import CVX, LOINC, RXNORM, SNOMED
from terminology.lay_data import entries
from terminology.lay_entry import LayEntry

NAMES = {LOINC: "LOINC", SNOMED: "SNOMED CT", RXNORM: "RxNorm", CVX: "CVX"}
_NOTE = "Only a fragment of {name} is known here, by plain names of our own; the whole can be loaded."


@cache
def fragment(url: str) -> MemorySystem | None:
    """The system's codes that have an entry; None for any other system."""
    if url not in NAMES:
        return None
    head = {"url": url, "title": NAMES[url], "content": "fragment", "note": _NOTE.format(name=NAMES[url])}
    return MemorySystem(
        head, (_concept(c.code, entry) for entry in entries() for c in entry.codings if c.system == url)
    )


def _concept(code: str, entry: LayEntry) -> Concept:
    others = tuple({"language": tag, "value": text} for tag, text in sorted(entry.name.items()))
    return Concept(code, entry.name_in("en"), entry.about_in("en"), designations=others)

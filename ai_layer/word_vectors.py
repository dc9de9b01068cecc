"""The vectors of the plain words that we ship, computed beforehand, so that a load embeds only what we have no words for.

data/word_vectors.npz holds one row a text: its sha256 and its vector in half precision (off by less than 0.001). A text that is not in it is
embedded as it comes, so an outdated file costs time and nothing else; `python -m tools.embed_words` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ai_layer.passages import KINDS, known_text
from terminology import lay
from terminology.coding import RXNORM, Coding
from terminology.drugs import codes

FILE = Path(__file__).parent / "data" / "word_vectors.npz"
WORDS = {
    lay.Kind.LAB: ("Observation", "DiagnosticReport"),
    lay.Kind.PANEL: ("Observation", "DiagnosticReport"),
    lay.Kind.VITAL: ("Observation",),
    lay.Kind.CONDITION: ("Condition",),
    lay.Kind.MEDICATION: ("MedicationRequest",),
    lay.Kind.PROCEDURE: ("Procedure",),
    lay.Kind.IMMUNIZATION: ("Immunization",),
    lay.Kind.ALLERGEN: ("AllergyIntolerance",),
}
"""The types of resources that speak of an entry of this kind."""


def known_texts() -> frozenset[str]:
    """Every text that a coded concept with plain words gives."""
    return frozenset(text for type, coding in _codings() if (text := known_text(KINDS[type].word, (coding,))))


def _codings() -> Iterator[tuple[str, Coding]]:
    for entry in lay.entries():
        yield from ((type, coding) for type in WORDS[entry.kind] for coding in entry.codings)
    yield from (("MedicationRequest", Coding(RXNORM, code)) for code in codes())


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@cache
def shipped(model_id: str) -> Mapping[bytes, Any]:
    """Vectors (float32) by the digest of their text; none for another model."""
    with np.load(FILE) as file:
        if str(file["model"]) != model_id:
            return {}
        rows = zip(file["digests"], file["vectors"].astype(np.float32), strict=True)
        return {digest.tobytes(): vector for digest, vector in rows}


def write(model_id: str, texts: Iterable[str], vectors: Iterable[Any]) -> None:
    """Replace the file."""
    digests = np.array([np.frombuffer(digest(text), dtype=np.uint8) for text in texts])
    halves = np.array(list(vectors), dtype=np.float16)
    np.savez(FILE, model=np.array(model_id), digests=digests, vectors=halves)

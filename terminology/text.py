"""Folding: how two spellings of one word are made to meet.

Case, accents, ligatures and punctuation go; letters, digits and single spaces stay.
"""

from __future__ import annotations

import re
import unicodedata

OTHER = re.compile(r"[^a-z0-9]+")
LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "’": "'"})


def fold(text: str) -> str:
    """`Hémoglobine A1c` -> `hemoglobine a1c`."""
    lowered = text.lower().translate(LIGATURES)
    plain = "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))
    return OTHER.sub(" ", plain).strip()

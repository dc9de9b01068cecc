"""scrub: a free text without what tells who somebody is; each place of it says what kind of thing stood there."""

from __future__ import annotations

import unicodedata
from collections import Counter

from fhir_server.deidentify.known import Known, folded
from fhir_server.deidentify.patterns import PATTERNS

NOBODY = Known()


def scrub(text: str, known: Known = NOBODY, counts: Counter[str] | None = None) -> str:
    """The text with `[name]`, `[address]` ... instead of what is known of a person, and of what looks like an identifier."""
    plain = unicodedata.normalize("NFC", text)
    spans = [
        (*match.span(), kind) for kind, pattern in known.patterns for match in pattern.finditer(folded(plain))
    ]
    spans += [(*match.span(), kind) for kind, pattern in PATTERNS for match in pattern.finditer(plain)]
    if not spans:
        return text
    parts, end = [], 0
    for start, stop, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= end:
            parts += [plain[end:start], f"[{kind}]"]
            if counts is not None:
                counts[kind] += 1
        end = max(end, stop)
    return "".join([*parts, plain[end:]])

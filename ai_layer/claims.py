"""Claim: one sentence, what it cites, and the facts in it that a machine can check again. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """`citations` are versioned references, `paths` the FHIRPath of the element used in each of them.

    `source` names what a sentence rests on that is not in the record (a page of MedlinePlus, say).
    """

    text: str
    citations: tuple[str, ...]
    paths: tuple[str, ...] = ()
    source: str = ""

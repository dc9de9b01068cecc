"""Finding and Check: what a check found in the record, in words, and the versions of resources that it rests on.

`unknown` stands where the record lacks what the check needs; it goes to the clinician like any other result. SURFACE of the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ai_layer.drafts.checks.reading import reference

Json = dict[str, Any]


class Outcome(StrEnum):
    """What a check says, the gravest last."""

    PASS = "pass"
    UNKNOWN = "unknown"
    WARN = "warn"
    BLOCK = "block"


GRAVITY = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Finding:
    """One result; `citations` are versioned references, each once."""

    result: Outcome
    text: str
    citations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A finding under the name of its check."""

    name: str
    result: str
    text: str
    citations: tuple[str, ...] = ()


def passes(text: str, *resources: Json) -> Finding:
    """Nothing speaks against it."""
    return Finding(Outcome.PASS, text, cited(resources))


def unknown(text: str, *resources: Json) -> Finding:
    """The record does not say."""
    return Finding(Outcome.UNKNOWN, text, cited(resources))


def warns(text: str, *resources: Json) -> Finding:
    """Something that the clinician has to weigh."""
    return Finding(Outcome.WARN, text, cited(resources))


def blocks(text: str, *resources: Json) -> Finding:
    """No draft is made."""
    return Finding(Outcome.BLOCK, text, cited(resources))


def cited(resources: Sequence[Json]) -> tuple[str, ...]:
    """Their references, each once."""
    return tuple(dict.fromkeys(reference(resource) for resource in resources))


def gravest(findings: Sequence[Finding]) -> Finding:
    """One finding out of several: the gravest result, the words and citations of all that do not pass (or of all that pass)."""
    result = max((each.result for each in findings), key=GRAVITY.index)
    told = [each for each in findings if each.result is not Outcome.PASS] or list(findings)
    told.sort(key=lambda each: -GRAVITY.index(each.result))
    text = " ".join(dict.fromkeys(each.text for each in told))
    citations = dict.fromkeys(one for each in told for one in each.citations)
    return Finding(result, text, tuple(citations))


def blocking(checks: Sequence[Check]) -> list[Check]:
    """Those that let no draft be made."""
    return [check for check in checks if check.result == Outcome.BLOCK]

"""ground: a claim stands only if what it cites bears it. Pure, and the same for every writer.

Every number with its unit, every date, direction, place in a range, name and status is derived again from the cited elements, and no word is
left that says more than those: what cannot be derived is dropped. grounding/ holds the checks, one file each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ai_layer.beside import sourced
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.grounding import comparisons, moments, names, numbers, vocabulary
from ai_layer.grounding.facts import Fact, facts_of
from ai_layer.grounding.said import Said, taken_apart

CHECKS: tuple[Callable[[Said, list[Fact]], bool], ...] = (
    vocabulary.hold,
    names.hold,
    moments.hold,
    numbers.hold,
    comparisons.hold,
)


def is_grounded(claim: Claim, evidence: Mapping[str, Evidence]) -> bool:
    """Whether the citations are among the evidence and bear every word of the claim."""
    cited = [evidence[reference] for reference in claim.citations if reference in evidence]
    if len(cited) != len(claim.citations):
        return False
    if not cited:
        return bool(claim.source)
    if claim.text in set(sourced(cited)):
        return True
    facts = facts_of(cited)
    said = taken_apart(claim.text, facts)
    return said is not None and all(check(said, facts) for check in CHECKS)


def grounded(claims: Iterable[Claim], evidence: Sequence[Evidence]) -> list[Claim]:
    """The claims that stand."""
    known = {item.reference: item for item in evidence}
    return [claim for claim in claims if is_grounded(claim, known)]

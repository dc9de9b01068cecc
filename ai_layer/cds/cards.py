"""A check as a card: short words, how grave it is, and the versions of resources that it rests on. Pure.

https://cds-hooks.hl7.org/2.0/#card-attributes
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ai_layer.drafts.checks import Check, Outcome

Json = dict[str, Any]
SUMMARY_LETTERS = 140
INDICATORS = {Outcome.BLOCK: "critical", Outcome.WARN: "warning", Outcome.UNKNOWN: "info"}
TITLES = {
    "allergy": "Allergy",
    "interaction": "Interaction",
    "duplicate": "Duplicate therapy",
    "pregnancy": "Pregnancy",
    "monitoring": "Results to follow",
}
TOPICS = "urn:chartline:check"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&])")


def card(check: Check, medicine: str, uuid: str) -> Json:
    """`medicine` is the name of the order as the record has it; texts of records are shown as texts."""
    said = f"{medicine}: {check.text}" if medicine else check.text
    cited = "\n".join(f"- {escaped(reference)}" for reference in check.citations)
    return {
        "uuid": uuid,
        "summary": shortened(said),
        "indicator": INDICATORS[Outcome(check.result)],
        "detail": f"{escaped(said)}\n\nRests on:\n{cited}" if cited else escaped(said),
        "source": {
            "label": f"Chartline: {TITLES[check.name]}",
            "topic": {"system": TOPICS, "code": check.name, "display": TITLES[check.name]},
        },
    }


def telling(checks: Sequence[Check]) -> list[Check]:
    """Those that somebody has to see, the gravest first; what passes has no card."""
    order = (Outcome.BLOCK, Outcome.WARN, Outcome.UNKNOWN)
    found = [check for check in checks if check.name in TITLES and check.result != Outcome.PASS]
    return sorted(found, key=lambda check: order.index(Outcome(check.result)))


def shortened(text: str) -> str:
    """One line of at most 140 letters."""
    line = " ".join(text.split())
    return line if len(line) <= SUMMARY_LETTERS else line[: SUMMARY_LETTERS - 1].rstrip() + "…"


def escaped(text: str) -> str:
    """No letter of the text is markup."""
    return _MARKDOWN.sub(r"\\\1", text)

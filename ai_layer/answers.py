"""Answer: what a question gets, as a value, as the Parameters resource of SURFACE.md, and as server-sent events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from fhir_server.r4 import json

Json = dict[str, Any]
RULES = "rules"


@dataclass(frozen=True, slots=True)
class Searched:
    """One kind of resource that was looked at: how many, and within which time."""

    type: str
    count: int
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call of a language model took: tokens in and out, its cost where prices are set, and what became of it."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    rejected: int = 0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is answered, abstained, refused or escalated; `text` says it where there are no claims; `lead` goes before either."""

    status: str
    claims: tuple[Claim, ...] = ()
    text: str = ""
    evidence: tuple[Evidence, ...] = ()
    searched: tuple[Searched, ...] = ()
    not_searched: tuple[str, ...] = ()
    manifest: str = ""
    writer: str = RULES
    reason: str = ""
    advice: str = ""
    task: str = ""
    drafts: tuple[str, ...] = field(default=())
    lead: str = ""
    usage: Usage | None = None

    @property
    def answer(self) -> str:
        """The whole text, in the order of the claims."""
        told = self.text or " ".join(claim.text for claim in self.claims)
        return f"{self.lead} {told}".strip()


def parameters(answer: Answer) -> Json:
    """The Parameters resource."""
    found: list[Json] = [
        {"name": "status", "valueCode": answer.status},
        {"name": "answer", "valueString": answer.answer},
    ]
    found += [_claim(claim) for claim in answer.claims]
    found += [_evidence(item) for item in answer.evidence]
    found += [_searched(searched) for searched in answer.searched]
    found += [{"name": "notSearched", "valueString": text} for text in answer.not_searched]
    if answer.reason:
        found.append({"name": "reason", "valueString": answer.reason})
    if answer.manifest:
        found.append({"name": "manifest", "valueString": answer.manifest})
    if answer.advice:
        found.append(_handoff(answer))
    found += [{"name": "draft", "valueReference": {"reference": reference}} for reference in answer.drafts]
    found.append({"name": "writer", "valueString": answer.writer})
    return {"resourceType": "Parameters", "parameter": found}


def events(answer: Answer) -> Iterator[bytes]:
    """status, evidence*, claim*, done: each event's data is the JSON that the Parameters would have."""
    yield _event("status", {"status": answer.status, "writer": answer.writer})
    for item in answer.evidence:
        yield _event("evidence", _evidence(item))
    for claim in answer.claims:
        yield _event("claim", _claim(claim))
    yield _event("done", parameters(answer))


def _event(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: ".encode() + json.encode(data) + b"\n\n"


def _claim(claim: Claim) -> Json:
    part: list[Json] = [{"name": "text", "valueString": claim.text}]
    part += [
        {"name": "citation", "valueReference": {"reference": reference}} for reference in claim.citations
    ]
    part += [{"name": "path", "valueString": path} for path in claim.paths]
    if claim.source:
        part.append({"name": "source", "valueString": claim.source})
    return {"name": "claim", "part": part}


def _evidence(item: Evidence) -> Json:
    score = {"name": "score", "valueDecimal": round(item.score, 4)}
    return {
        "name": "evidence",
        "part": [{"name": "reference", "valueReference": {"reference": item.reference}}, score],
    }


def _searched(searched: Searched) -> Json:
    part: list[Json] = [{"name": "type", "valueCode": searched.type}]
    for name, moment in (("since", searched.since), ("until", searched.until)):
        if moment is not None:
            part.append({"name": name, "valueDateTime": moment.isoformat()})
    return {"name": "searched", "part": [*part, {"name": "count", "valueInteger": searched.count}]}


def _handoff(answer: Answer) -> Json:
    part: list[Json] = [{"name": "advice", "valueString": answer.advice}]
    if answer.task:
        part.insert(0, {"name": "task", "valueReference": {"reference": answer.task}})
    return {"name": "handoff", "part": part}

"""chat: a configured language model may rephrase the rule-written claims; it sees the evidence, through a Shield, and nothing else.

The one place that names LangChain's chat models. What it returns is checked like any other claim; where it fails, times out, or leaves
less than the rules wrote, the rule-written answer stands and `writer` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, Field

from ai_layer import guard
from ai_layer.answers import RULES, Usage
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.ground import grounded
from ai_layer.question import Question
from ai_layer.settings import AiSettings
from ai_layer.shield import Shield
from fhir_server.r4 import json

LOG = logging.getLogger("chartline.chat")
TIMEOUT_SECONDS = 20.0


class ModelClaim(BaseModel):
    """One sentence and the numbers of the evidence that bear it."""

    text: str = Field(max_length=600)
    evidence: list[int] = Field(
        description="numbers of the evidence items that this sentence rests on", max_length=20
    )


class ModelAnswer(BaseModel):
    """What a model has to return."""

    claims: list[ModelClaim] = Field(max_length=30)


@dataclass(frozen=True, slots=True)
class Written:
    """The claims, who wrote them, and what the model was given (`sent`) and gave (tokens; nothing where none was asked)."""

    claims: list[Claim]
    writer: str
    usage: Usage | None = None
    sent: tuple[Evidence, ...] = ()


def rephrased(
    settings: AiSettings,
    question: Question,
    evidence: Sequence[Evidence],
    by_rule: Sequence[Claim],
    shield: Shield,
    model: Any = None,
) -> Written:
    """The model's claims that stand and its name, or the rule-written ones."""
    if not by_rule:
        return Written(list(by_rule), RULES)
    sent = tuple(map(shield.evidence, evidence))
    rules = Written(list(by_rule), RULES, sent=sent)
    try:
        chosen = model or chat_model(settings.model, settings.model_base_url)
        asked = chosen.with_structured_output(ModelAnswer, include_raw=True)
        found = asked.invoke(_messages(question, sent, by_rule, shield))
    except Exception as error:
        LOG.warning("the model failed (%s); the rule-written answer is given", type(error).__name__)
        return replace(rules, usage=Usage(failed=True))
    used = usage_of(found.get("raw"), settings)
    try:
        told = ModelAnswer.model_validate(found.get("parsed")).claims
    except ValueError as error:
        LOG.warning(
            "the model's answer cannot be read (%s); the rule-written answer is given", type(error).__name__
        )
        return replace(rules, usage=replace(used, failed=True))
    claims = [_claim(one, evidence, shield) for one in told]
    kept = grounded([c for c in claims if c.citations and guard.allowed(c)], evidence)
    if covers(kept, by_rule):
        return Written(kept, settings.model, used, sent)
    return replace(rules, usage=replace(used, rejected=len(claims) - len(kept)))


def usage_of(message: Any, settings: AiSettings) -> Usage:
    """The tokens that the provider counted, and their price where one is set."""
    counted = getattr(message, "usage_metadata", None) or {}
    given, made = int(counted.get("input_tokens", 0)), int(counted.get("output_tokens", 0))
    price_in, price_out = settings.model_prices
    cost = (Decimal(given) * price_in + Decimal(made) * price_out) / 1_000_000
    return Usage(given, made, cost)


def covers(kept: Sequence[Claim], by_rule: Sequence[Claim]) -> bool:
    """Whether nothing that the rules cited has been lost."""
    cited = {reference for claim in kept for reference in claim.citations}
    return {claim.citations[0] for claim in by_rule if claim.citations} <= cited


@lru_cache(maxsize=4)
def chat_model(name: str, base_url: str) -> Any:
    """LangChain's model of this name."""
    from langchain.chat_models import init_chat_model

    extra: dict[str, Any] = {"base_url": base_url} if base_url else {}
    return init_chat_model(name, temperature=0, timeout=TIMEOUT_SECONDS, max_retries=1, **extra)


def _messages(
    question: Question, sent: Sequence[Evidence], by_rule: Sequence[Claim], shield: Shield
) -> list[tuple[str, str]]:
    prompt = resources.files("ai_layer").joinpath("prompts/explain.md").read_text()
    items = [{"number": n, "type": e.type, "elements": e.elements} for n, e in enumerate(sent)]
    data = {
        "question": shield.text(question.text),
        "language": question.language,
        "evidence": items,
        "draft": [shield.text(c.text) for c in by_rule],
    }
    return [("system", prompt), ("human", json.encode(data).decode())]


def _claim(found: ModelClaim, evidence: Sequence[Evidence], shield: Shield) -> Claim:
    """The sentence as it is told, with the true dates."""
    chosen = [evidence[n] for n in found.evidence if 0 <= n < len(evidence)]
    paths = tuple(f"{e.type}.{'value' if e.type == 'Observation' else 'code'}" for e in chosen)
    return Claim(shield.back(found.text), tuple(e.reference for e in chosen), paths)

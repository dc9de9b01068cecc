"""chat: a configured language model may rephrase the rule-written claims; it sees the evidence and nothing else.

The one place that names LangChain's chat models. What it returns is checked like any other claim; where it fails, times out, or leaves
less than the rules wrote, the rule-written answer stands and `writer` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, Field

from ai_layer import guard
from ai_layer.answers import RULES
from ai_layer.claims import Claim
from ai_layer.evidence import Evidence
from ai_layer.ground import grounded
from ai_layer.question import Question
from ai_layer.settings import AiSettings
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


def rephrased(
    settings: AiSettings,
    question: Question,
    evidence: Sequence[Evidence],
    by_rule: Sequence[Claim],
    model: Any = None,
) -> tuple[list[Claim], str]:
    """The model's claims that stand and its name, or the rule-written ones."""
    if not by_rule:
        return list(by_rule), RULES
    try:
        chosen = model or chat_model(settings.model, settings.model_base_url)
        found = chosen.with_structured_output(ModelAnswer).invoke(_messages(question, evidence, by_rule))
        claims = [_claim(one, evidence) for one in ModelAnswer.model_validate(found).claims]
    except Exception as error:
        LOG.warning("the model failed (%s); the rule-written answer is given", type(error).__name__)
        return list(by_rule), RULES
    kept = grounded([c for c in claims if c.citations and guard.allowed(c)], evidence)
    return (kept, settings.model) if covers(kept, by_rule) else (list(by_rule), RULES)


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
    question: Question, evidence: Sequence[Evidence], by_rule: Sequence[Claim]
) -> list[tuple[str, str]]:
    prompt = resources.files("ai_layer").joinpath("prompts/explain.md").read_text()
    items = [{"number": n, "type": e.type, "elements": e.elements} for n, e in enumerate(evidence)]
    data = {
        "question": question.text,
        "language": question.language,
        "evidence": items,
        "draft": [c.text for c in by_rule],
    }
    return [("system", prompt), ("human", json.encode(data).decode())]


def _claim(found: ModelClaim, evidence: Sequence[Evidence]) -> Claim:
    chosen = [evidence[n] for n in found.evidence if 0 <= n < len(evidence)]
    paths = tuple(f"{e.type}.{'value' if e.type == 'Observation' else 'code'}" for e in chosen)
    return Claim(found.text, tuple(e.reference for e in chosen), paths)

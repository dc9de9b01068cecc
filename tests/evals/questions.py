"""The retrieval questions of fixtures/cases/evals, and which resources of a record answer each: decided by meaning, not by id.

A third of the questions, chosen by a hash of their words, is held out: nothing is tuned on those.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

import yaml

from ai_layer.passages import EXCLUDED, KINDS, concept_of, time_of
from fhir_server.r4.datatypes import parse_instant_or_partial
from terminology.coding import Coding, best_text, codings_of
from terminology.drugs import drug_classes, ingredients_of

Json = dict[str, Any]
ASKED_OF_THE_ABSENT = 2
"""Questions of each topic that are put to a patient who has none of it."""
FILES = ("retrieval_results.yaml", "retrieval_record.yaml")


@dataclass(frozen=True, slots=True)
class LayQuestion:
    """One question put to one patient; `expected` are `Type/id` of all that would answer it."""

    text: str
    language: str
    about: str
    patient: str
    expected: frozenset[str]

    @property
    def is_held_out(self) -> bool:
        """Whether it belongs to the third that nobody tunes on."""
        return hashlib.sha256(self.text.encode()).digest()[0] % 3 == 0


def lay_questions(resources: Mapping[str, Sequence[Json]]) -> list[LayQuestion]:
    """Every question, put to one of the patients whose record can answer it, each patient in turn."""
    found: list[LayQuestion] = []
    for name in FILES:
        for topic in yaml.safe_load(files("fixtures").joinpath("cases", "evals", name).read_text()):
            answers = {key: _expected(topic["finds"], own) for key, own in resources.items()}
            able = [key for key, ids in answers.items() if ids and key in topic.get("of", answers)]
            assert able, f"No record holds what is asked for: {topic['about']}"
            for n, (language, text) in enumerate(_asked(topic)):
                key = able[n % len(able)]
                found.append(LayQuestion(text, language, topic["about"], key, answers[key]))
    return found


def unanswerable(resources: Mapping[str, Sequence[Json]]) -> list[LayQuestion]:
    """Questions about a named thing, each put to one patient whose record holds nothing of it at any time."""
    found: list[LayQuestion] = []
    for name in FILES:
        for topic in yaml.safe_load(files("fixtures").joinpath("cases", "evals", name).read_text()):
            if not topic.get("absent", True):
                continue
            without = [key for key, own in resources.items() if not _expected(_ever(topic["finds"]), own)]
            for n, (language, text) in enumerate(_asked(topic)):
                if without and n < ASKED_OF_THE_ABSENT:
                    found.append(
                        LayQuestion(text, language, topic["about"], without[n % len(without)], frozenset())
                    )
    return found


def _ever(finds: Any) -> list[Json]:
    rules = finds if isinstance(finds, list) else [finds]
    return [{k: v for k, v in rule.items() if k not in ("since", "until", "which")} for rule in rules]


def _asked(topic: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for language in ("en", "fr"):
        for text in topic.get(language, ()):
            yield language, text


def _expected(finds: Any, resources: Sequence[Json]) -> frozenset[str]:
    rules = finds if isinstance(finds, list) else [finds]
    return frozenset(reference for rule in rules for reference in _fitting(rule, resources))


def _fitting(rule: Mapping[str, Any], resources: Sequence[Json]) -> set[str]:
    fits = [r for r in resources if r["resourceType"] == rule["type"] and _fits(rule, r)]
    times = [when for r in fits if (when := time_of(r))]
    if times and (which := rule.get("which")):
        end = max(times) if which == "newest" else min(times)
        fits = [r for r in fits if time_of(r) == end]
    return {f"{r['resourceType']}/{r['id']}" for r in fits}


RULES: dict[str, Callable[[Sequence[Coding], str, Sequence[str], Any], bool]] = {
    "code": lambda codings, label, states, wanted: any(c.code in wanted for c in codings),
    "label": lambda codings, label, states, wanted: bool(re.search(wanted, label)),
    "class": lambda codings, label, states, wanted: bool(set(drug_classes(codings, label)) & set(wanted)),
    "ingredient": lambda codings, label, states, wanted: bool(
        set(ingredients_of(codings, label)) & set(wanted)
    ),
    "status": lambda codings, label, states, wanted: bool(set(states) & set(wanted)),
}


def _fits(rule: Mapping[str, Any], resource: Json) -> bool:
    concept = concept_of(resource) if resource["resourceType"] in KINDS else {}
    states = statuses(resource)
    if not concept or set(states) & EXCLUDED:
        return False
    codings, label = codings_of(concept), best_text(concept)
    fits = (RULES[name](codings, label, states, rule[name]) for name in RULES if name in rule)
    return all(fits) and _in_time(rule, time_of(resource))


def statuses(resource: Json) -> list[str]:
    """Its status, clinical status and verification status, as codes."""
    concepts = [resource.get(name) for name in ("clinicalStatus", "verificationStatus")]
    coded = [c.code for concept in concepts if isinstance(concept, dict) for c in codings_of(concept)]
    return [*coded, *([resource["status"]] if isinstance(resource.get("status"), str) else [])]


def _in_time(rule: Mapping[str, Any], when: datetime | None) -> bool:
    since, until = (parse_instant_or_partial(rule[n]).lo if n in rule else None for n in ("since", "until"))
    if since is None and until is None:
        return True
    return when is not None and (since is None or when >= since) and (until is None or when < until)

"""Search by meaning: `_semantic`, and SearchParameters of users with Microsoft's extension vector-search-config."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from ai_layer.embed import embedder
from ai_layer.vectors import EXTENSION, config_of, pieces
from fhir_server.access.actor import Actor
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.create import create
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from tests.ai.conftest import consent, opted_in
from tests.service import context_of, put, reindexed, service_on

Json = dict[str, Any]
SUGAR = "sugar attached to red blood cells over months"


def bundle(context: Context, kind: str, *pairs: tuple[str, str]) -> Json:
    return json.decode_object(search(context, kind, list(pairs)).body or b"{}")


def ranked(context: Context, kind: str, *pairs: tuple[str, str]) -> list[str]:
    return [e["resource"]["id"] for e in bundle(context, kind, *pairs).get("entry", ())]


def scores(found: Json) -> list[float]:
    return [float(e["search"]["score"]) for e in found["entry"]]


def test_the_nearest_meaning_comes_first_with_scores_between_0_and_1_that_fall(context: Context) -> None:
    found = bundle(context, "Observation", ("_semantic", SUGAR))
    assert {e["resource"]["id"] for e in found["entry"][:2]} == {"a1c-1", "a1c-2"}
    assert scores(found) == sorted(scores(found), reverse=True)
    assert all(0 <= score <= 1 for score in scores(found))


def test_it_is_combined_with_every_other_parameter_and_filters_hold_before_the_order(
    context: Context,
) -> None:
    assert ranked(context, "Observation", ("_semantic", SUGAR), ("patient", "bob")) == ["bobs"]
    later = ranked(context, "Observation", ("_semantic", SUGAR), ("date", "ge2026"), ("code", "4548-4"))
    assert later == ["a1c-2"]
    assert ranked(context, "Observation", ("_semantic", "fat in blood"), ("patient.gender", "male")) == [
        "bobs"
    ]
    drugs = ranked(context, "MedicationRequest", ("_semantic", "blood pressure pill"), ("status", "active"))
    assert drugs == ["lisinopril"]
    assert (
        ranked(
            context, "Condition", ("_semantic", "high blood sugar"), ("_has:Observation:subject:code", "x")
        )
        == []
    )


def test_a_sort_that_is_asked_for_comes_before_the_score(context: Context) -> None:
    by_date = ranked(context, "Observation", ("_semantic", SUGAR), ("_sort", "date"))
    assert by_date == ranked(context, "Observation", ("_sort", "date"))
    worst = ranked(context, "Observation", ("_semantic", SUGAR), ("_sort", "_score"))
    assert worst[-1] in ("a1c-1", "a1c-2")
    assert (
        "score"
        in bundle(context, "Observation", ("_semantic", SUGAR), ("_sort", "date"))["entry"][0]["search"]
    )


def test_pages_hold_each_match_once_in_the_order_of_the_whole_and_the_count_is_theirs(
    context: Context,
) -> None:
    whole = ranked(context, "Observation", ("_semantic", SUGAR))
    paged, page = (
        [],
        bundle(context, "Observation", ("_semantic", SUGAR), ("_count", "2"), ("_total", "accurate")),
    )
    assert page["total"] == len(whole)
    for _ in whole:
        paged += [e["resource"]["id"] for e in page.get("entry", ())]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        page = bundle(context, "Observation", *parse_qsl(urlsplit(following[0]).query))
    assert paged == whole
    assert bundle(context, "Observation", ("_semantic", SUGAR), ("_summary", "count"))["total"] == len(whole)


def test_a_patient_finds_the_own_record_only(context: Context) -> None:
    bob = context_of(context.service, Actor.of_patient("bob"))
    assert ranked(bob, "Observation", ("_semantic", SUGAR)) == ["bobs"]


def test_a_record_whose_consent_denies_the_assistant_is_not_searched_by_meaning(context: Context) -> None:
    put(context, {"Consent/no": consent("deny", "HOPERAT")})
    denied = context_of(context.service)
    purpose = str(denied.access.purpose)
    put(context, {"Consent/no": consent("deny", purpose)})
    assert ranked(denied, "Observation", ("_semantic", SUGAR)) == ["bobs"]
    assert "a1c-1" in ranked(denied, "Observation")


def test_what_a_consent_withholds_in_part_is_not_found_by_meaning(context: Context) -> None:
    purpose = str(context.access.purpose)
    denied = consent("permit", purpose)
    data = [{"meaning": "instance", "reference": {"reference": "Observation/a1c-2"}}]
    denied["provision"]["provision"] = [{"type": "deny", "data": data}]
    put(context, {"Consent/part": denied})
    found = ranked(context, "Observation", ("_semantic", SUGAR))
    assert "a1c-1" in found
    assert "a1c-2" not in found


def test_where_consents_have_to_permit_nobody_else_is_found(service: Service, context: Context) -> None:
    opted_in(service)
    assert ranked(context, "Observation", ("_semantic", SUGAR)) == []
    put(context, {"Consent/yes": consent("permit", str(context.access.purpose))})
    assert "a1c-1" in ranked(context, "Observation", ("_semantic", SUGAR))
    assert "bobs" not in ranked(context, "Observation", ("_semantic", SUGAR))


REFUSED = [
    ("Observation", [("_semantic:exact", "x")], "no modifier"),
    ("Observation", [("_semantic", "x"), ("_semantic", "y")], "one text only"),
    ("Patient", [("_has:Observation:patient:_semantic", "x")], "cannot be chained"),
    ("Observation", [("_filter", "_semantic eq x")], "cannot be chained"),
    ("Patient", [("_semantic", "x")], "no search parameter _semantic"),
    ("Observation", [("_semantic", "x" * 2001)], "expected up to"),
]


@pytest.mark.parametrize(("kind", "pairs", "text"), REFUSED, ids=[text + kind for kind, _, text in REFUSED])
def test_what_has_no_meaning_is_refused(
    context: Context, kind: str, pairs: list[tuple[str, str]], text: str
) -> None:
    with pytest.raises(FhirError, match=text):
        search(context, kind, pairs)


def test_without_the_assistant_it_is_an_unknown_parameter(dsn: str) -> None:
    bare = service_on(dsn)
    with pytest.raises(FhirError, match="no search parameter _semantic"):
        search(context_of(bare), "Observation", [("_semantic", "x")])
    bare.database.close()


NOTES: Json = {
    "resourceType": "SearchParameter",
    "url": "http://example.org/SearchParameter/note-meaning",
    "name": "NoteMeaning",
    "status": "active",
    "description": "The meaning of the notes.",
    "code": "note-meaning",
    "base": ["Condition"],
    "type": "special",
    "expression": "Condition.note.text",
}


def vector_parameter(**config: Any) -> Json:
    parts = [{"url": name, _typed(name): value} for name, value in config.items()]
    made = {**NOTES, "extension": [{"url": EXTENSION, "extension": parts}]}
    return json.decode_object(json.encode(made))


def _typed(name: str) -> str:
    if name in ("extractionPolicy", "distanceMetric"):
        return "valueCode"
    return "valueDecimal" if name == "minimumScore" else "valuePositiveInt"


def note(text: str) -> Json:
    return {"code": {"text": "x"}, "subject": {"reference": "Patient/ann"}, "note": [{"text": text}]}


BREATH, KNEE = "The patient is short of breath at night.", "The left knee hurts when climbing stairs."


def test_a_client_adds_a_parameter_by_meaning_and_its_score_is_1_less_half_the_distance(
    context: Context,
) -> None:
    put(context, {"Condition/breath": note(BREATH), "Condition/knee": note(KNEE)})
    create(
        context, "SearchParameter", vector_parameter(extractionPolicy="concatenate", distanceMetric="cosine")
    )
    reindexed(context)
    found = bundle(context, "Condition", ("note-meaning", "dyspnea"))
    assert [e["resource"]["id"] for e in found["entry"]] == ["breath", "knee"]
    first, query = embedder().embed([BREATH, "dyspnea"])
    distance = 1 - float(np.dot(first, query))
    assert math.isclose(scores(found)[0], 1 - distance / 2, abs_tol=0.02)
    put(context, {"Condition/breath": note(KNEE)})
    put(context, {"Condition/later": note(BREATH)})
    assert ranked(context, "Condition", ("note-meaning", "dyspnea"))[0] == "later"


def test_a_minimum_score_keeps_out_what_is_too_far(context: Context) -> None:
    put(context, {"Condition/breath": note(BREATH), "Condition/knee": note(KNEE)})
    create(context, "SearchParameter", vector_parameter(minimumScore=0.9))
    reindexed(context)
    assert ranked(context, "Condition", ("note-meaning", BREATH)) == ["breath"]
    assert bundle(context, "Condition", ("note-meaning", BREATH), ("_total", "accurate"))["total"] == 1


@pytest.mark.parametrize(
    "config",
    [
        {"extractionPolicy": "guess"},
        {"minimumScore": 2},
        {"distanceMetric": "dot"},
        {"maxInputTokens": 0},
        {"chunkSizeTokens": 20, "chunkOverlapTokens": 20},
    ],
    ids=str,
)
def test_an_extension_that_cannot_be_followed_is_refused(context: Context, config: Json) -> None:
    with pytest.raises(FhirError) as refused:
        create(context, "SearchParameter", vector_parameter(**config))
    assert refused.value.problem.status == 422


def test_texts_are_taken_by_the_policy_and_cut_into_overlapping_pieces() -> None:
    assert list(pieces(["a b", "c"], {})) == ["a b c"]
    assert list(pieces(["a b", "c"], {"extractionPolicy": "firstValue"})) == ["a b"]
    assert list(pieces(["a b", "c"], {"extractionPolicy": "perValueRow"})) == ["a b", "c"]
    words = [str(n) for n in range(40)]
    cut = list(pieces([" ".join(words)], {"chunkSizeTokens": "16", "chunkOverlapTokens": "4"}))
    assert [piece.split()[0] for piece in cut] == ["0", "12", "24"]
    assert [word for piece in cut for word in piece.split() if word == "39"] == ["39"]
    assert config_of(vector_parameter(minimumScore=0.5)) == (("minimumScore", "0.5"),)

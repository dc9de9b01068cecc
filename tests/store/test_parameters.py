"""SearchParameters that users store: what becomes of them, in every process, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from fhir_server.store import reindex
from tests.service import context_of, ids, put, reindexed, service_on

Json = dict[str, Any]
EYES = "http://example.org/eyes"


@pytest.fixture
def service(dsn: str) -> Iterator[Service]:
    made = service_on(dsn)
    yield made
    made.database.close()


@pytest.fixture
def context(service: Service) -> Context:
    return context_of(service)


def parameter(code: str, kind: str, expression: str, base: str = "Patient", **more: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{code}",
        "name": code,
        "status": "active",
        "description": code,
        "code": code,
        "base": [base],
        "type": kind,
        "expression": expression,
        **more,
    }


def eyes(colour: str) -> Json:
    return {"extension": [{"url": EYES, "valueCode": colour}]}


EYE_COLOUR = parameter("eye-colour", "token", f"Patient.extension('{EYES}').value")


def found(context: Context, kind: str, name: str, value: str) -> list[str]:
    return sorted(ids(search(context, kind, [(name, value)]).body))


def test_a_new_parameter_answers_after_reindex_and_finds_what_was_written_before_and_after(
    context: Context,
) -> None:
    put(context, {"Patient/before": eyes("green"), "Patient/other": eyes("blue")})
    made = create(context, "SearchParameter", dict(EYE_COLOUR))
    assert made.status == 201
    assert "$reindex" in str(made.outcome)
    put(context, {"Patient/after": eyes("green")})
    with pytest.raises(FhirError, match="not indexed by eye-colour yet"):
        found(context, "Patient", "eye-colour", "green")
    reindexed(context)
    assert found(context, "Patient", "eye-colour", "green") == ["after", "before"]
    put(context, {"Patient/later": eyes("green")})
    assert found(context, "Patient", "eye-colour", "green") == ["after", "before", "later"]


def test_another_process_writes_by_a_parameter_from_the_moment_it_is_stored(
    context: Context, dsn: str
) -> None:
    other = service_on(dsn)
    assert other.registry.get("Patient", "eye-colour") is None
    create(context, "SearchParameter", dict(EYE_COLOUR))
    reindexed(context)
    put(context_of(other), {"Patient/p": eyes("green")})
    assert found(context, "Patient", "eye-colour", "green") == ["p"]
    assert found(context_of(other), "Patient", "eye-colour", "green") == ["p"]
    other.database.close()


def test_parameters_outlive_the_process(context: Context, dsn: str) -> None:
    put(context, {"Patient/p": eyes("green")})
    create(context, "SearchParameter", dict(EYE_COLOUR))
    reindexed(context)
    later = service_on(dsn)
    assert found(context_of(later), "Patient", "eye-colour", "green") == ["p"]
    later.database.close()


@pytest.mark.parametrize("by", ["delete", "retire"])
def test_a_deleted_or_retired_parameter_is_unknown_again(context: Context, by: str) -> None:
    update(context, "SearchParameter", "eyes", {**EYE_COLOUR, "id": "eyes"})
    reindexed(context)
    assert found(context, "Patient", "eye-colour", "green") == []
    if by == "delete":
        delete(context, "SearchParameter", "eyes")
    else:
        update(context, "SearchParameter", "eyes", {**EYE_COLOUR, "id": "eyes", "status": "retired"})
    context.service.parameters.look()
    with pytest.raises(FhirError, match="no search parameter eye-colour"):
        found(context, "Patient", "eye-colour", "green")


def test_a_changed_parameter_waits_for_reindex_and_then_answers_by_its_new_meaning(context: Context) -> None:
    put(context, {"Patient/p": {**eyes("green"), "language": "en"}})
    update(context, "SearchParameter", "eyes", {**EYE_COLOUR, "id": "eyes"})
    reindexed(context)
    update(context, "SearchParameter", "eyes", {**EYE_COLOUR, "id": "eyes", "expression": "Patient.language"})
    context.service.parameters.look()
    with pytest.raises(FhirError, match="not indexed"):
        found(context, "Patient", "eye-colour", "green")
    reindexed(context)
    assert found(context, "Patient", "eye-colour", "green") == []
    assert found(context, "Patient", "eye-colour", "en") == ["p"]


TYPES = [
    (
        "token",
        "Patient.contact.relationship",
        {"contact": [{"relationship": [{"text": "x"}], "gender": "male"}]},
        ":text",
        "x",
    ),
    ("string", "Patient.contact.name.family", {"contact": [{"name": {"family": "Mål"}}]}, "", "mal"),
    ("date", "Patient.contact.period", {"contact": [{"period": {"start": "2020-01-01"}}]}, "", "ge2021"),
    ("number", "Patient.multipleBirth.as(integer)", {"multipleBirthInteger": 2}, "", "gt1"),
    (
        "quantity",
        "Patient.extension('http://e/q').value",
        {
            "extension": [
                {
                    "url": "http://e/q",
                    "valueQuantity": {"value": 5, "system": "http://unitsofmeasure.org", "code": "g"},
                }
            ]
        },
        "",
        "5000|http://unitsofmeasure.org|mg",
    ),
    (
        "reference",
        "Patient.contact.organization",
        {"contact": [{"organization": {"reference": "Organization/o"}}]},
        "",
        "Organization/o",
    ),
    (
        "uri",
        "Patient.implicitRules",
        {"implicitRules": "http://example.org/r"},
        ":below",
        "http://example.org",
    ),
]


@pytest.mark.parametrize(
    ("kind", "expression", "elements", "modifier", "value"), TYPES, ids=[t[0] for t in TYPES]
)
def test_a_parameter_of_each_type_can_be_added(
    context: Context, kind: str, expression: str, elements: Json, modifier: str, value: str
) -> None:
    put(context, {"Patient/has": elements, "Patient/has-not": {}})
    create(context, "SearchParameter", parameter("added", kind, expression))
    reindexed(context)
    assert found(context, "Patient", f"added{modifier}", value) == ["has"]


def test_a_composite_can_be_added(context: Context) -> None:
    put(
        context,
        {
            "Patient/both": {
                "identifier": [{"type": {"text": "t"}, "system": "s", "value": "1"}],
                "gender": "male",
            },
            "Patient/one": {"identifier": [{"system": "s", "value": "2"}], "gender": "male"},
        },
    )
    parts = [
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "gender"},
        {"definition": "http://hl7.org/fhir/SearchParameter/Patient-identifier", "expression": "identifier"},
    ]
    create(context, "SearchParameter", parameter("gender-id", "composite", "Patient", component=parts))
    reindexed(context)
    assert found(context, "Patient", "gender-id", "male$s|1") == ["both"]
    assert found(context, "Patient", "gender-id", "female$s|1") == []


def test_a_parameter_of_every_resource_type_finds_each(context: Context) -> None:
    put(context, {"Patient/p": {"language": "de"}, "Basic/b": {"language": "de"}})
    create(context, "SearchParameter", parameter("tongue", "token", "Resource.language", "Resource"))
    reindexed(context)
    assert found(context, "Patient", "tongue", "de") == ["p"]
    assert found(context, "Basic", "tongue", "de") == ["b"]
    assert found(context, "", "tongue", "de") == ["b", "p"]


REFUSED = [
    ({"expression": "Patient.name.where("}, "expected more"),
    ({"expression": "Patient.name.fly()"}, "function fly()"),
    ({"expression": ""}, "nothing is said of Patient"),
    ({"code": "name"}, "choose another code"),
    ({"code": "_has"}, "choose another code"),
    ({"base": ["Nothing"]}, "resource-types"),
    ({"type": "special"}, "special"),
    ({"type": "composite"}, "two components"),
]


@pytest.mark.parametrize(("change", "text"), REFUSED, ids=[str(change) for change, _ in REFUSED])
def test_what_cannot_be_carried_out_is_refused_with_its_element(
    context: Context, change: Json, text: str
) -> None:
    given = {k: v for k, v in {**EYE_COLOUR, **change}.items() if v}
    with pytest.raises(FhirError, match=r".") as refused:
        create(context, "SearchParameter", given)
    assert refused.value.problem.status == 422
    assert text in str(refused.value)


def test_a_second_parameter_cannot_take_a_code_that_another_has(context: Context) -> None:
    create(context, "SearchParameter", dict(EYE_COLOUR))
    context.service.parameters.look()
    with pytest.raises(FhirError, match="is defined by"):
        create(context, "SearchParameter", {**EYE_COLOUR, "url": "http://example.org/another"})


def test_what_derives_from_a_parameter_of_r4_is_stored_and_answered_by_that(context: Context) -> None:
    derived = parameter("family", "string", "Patient.name.family") | {
        "derivedFrom": "http://hl7.org/fhir/SearchParameter/individual-family"
    }
    create(context, "SearchParameter", derived)
    put(context, {"Patient/p": {"name": [{"family": "Moor"}]}})
    assert found(context, "Patient", "family", "moor") == ["p"]


def test_the_capability_statement_shows_a_parameter_and_whether_it_can_be_used(context: Context) -> None:
    create(context, "SearchParameter", dict(EYE_COLOUR))
    context.service.parameters.look()
    assert "$reindex" in _documented(context)["documentation"]
    reindexed(context)
    shown = _documented(context)
    assert shown["definition"] == EYE_COLOUR["url"]
    assert "$reindex" not in shown["documentation"]


def _documented(context: Context) -> Json:
    statement = json.decode_object(capabilities(context).body or b"{}")
    (patient,) = [r for r in statement["rest"][0]["resource"] if r["type"] == "Patient"]
    (found,) = [p for p in patient["searchParam"] if p["name"] == "eye-colour"]
    return dict(found)


def test_a_parameter_that_is_undone_leaves_no_trace(context: Context) -> None:
    edition = context.service.registry.edition

    def undone() -> None:
        with context.transaction() as inside:
            create(inside, "SearchParameter", dict(EYE_COLOUR))
            put(inside, {"Patient/p": eyes("green")})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    context.service.parameters.look()
    assert context.service.registry.edition == edition
    assert context.service.registry.get("Patient", "eye-colour") is None


def test_a_run_that_was_cut_off_goes_on_where_it_was(context: Context, dsn: str) -> None:
    put(context, {f"Patient/p{n}": eyes("green") for n in range(reindex.BATCH + 2)})
    create(context, "SearchParameter", dict(EYE_COLOUR))
    with context.connect() as connection:
        run = reindex.start(connection, "run", context.now())
    assert reindex.step(context.service.database, context.service.writer) == "run"
    later = service_on(dsn)
    states = list(reindex.run_to_end(later.database, later.writer, run.id))
    assert [state.done for state in states] == [reindex.BATCH + 3, reindex.BATCH + 3]
    assert search(context_of(later), "Patient", [("eye-colour", "green"), ("_summary", "count")]).body
    total = json.decode_object(
        search(context_of(later), "Patient", [("eye-colour", "green"), ("_summary", "count")]).body or b"{}"
    )["total"]
    assert total == reindex.BATCH + 2
    later.database.close()


def test_a_run_of_one_parameter_reaches_what_contains_such_resources_and_leaves_other_parameters_waiting(
    context: Context,
) -> None:
    inner = {"resourceType": "Patient", "id": "i", **eyes("green")}
    put(context, {"Observation/o": {"contained": [inner], "subject": {"reference": "#i"}}, "Basic/b": {}})
    update(context, "SearchParameter", "eyes", {**EYE_COLOUR, "id": "eyes"})
    update(
        context,
        "SearchParameter",
        "tongue",
        {**parameter("tongue", "token", "Patient.language"), "id": "tongue"},
    )
    with context.connect() as connection:
        run = reindex.start(connection, "r", context.now(), "", reindex.defined_by(connection, "eyes"))
    *_, last = reindex.run_to_end(context.service.database, context.service.writer, run.id)
    assert last.done == 1
    context.service.parameters.look()
    assert found(context, "Observation", "subject:Patient.eye-colour", "green") == ["o"]
    with pytest.raises(FhirError, match="not indexed by tongue yet"):
        found(context, "Patient", "tongue", "de")

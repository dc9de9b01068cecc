"""Every search parameter of R4 and US Core: a resource that has a value where its expression leads is found by that value.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.r4.definitions import SearchParameter, search_parameters
from fhir_server.r4.fhirpath import branches
from fhir_server.search.parameters import BUILT_IN, build, corrected
from fhir_server.store.write import Write
from tests.service import context_of, ids, put, service_on
from tests.store.made import Made, Unreachable, fill

Json = dict[str, Any]
OF_ALL = ("_profile", "_security", "_source", "_tag")
"""Searched on one type: they are the same on each."""
_IS_SUBJECT = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject"
_ANSWER = {
    "extension": [{"url": _IS_SUBJECT, "valueBoolean": True}],
    "answer": [{"valueReference": {"reference": "Patient/t"}}],
}
BY_HAND: dict[str, tuple[Json, str]] = {
    "Patient.deceased": ({"deceasedDateTime": "2020-01-01"}, "true"),
    "QuestionnaireResponse.item-subject": ({"item": [_ANSWER]}, "Patient/t"),
}
"""Elements and a text that finds them, where the expression is no plain path."""
UNKNOWN = ("Patient.age", "Patient.birthOrderBoolean", "Patient.part-agree")
"""R4's examples of definitions, without an expression on a Patient: no search knows them."""
NOT_FOUND = {
    "Bundle.composition": "leads to a resource inside, which is no reference",
    "Bundle.message": "leads to a resource inside, which is no reference",
    **dict.fromkeys(
        (
            f"Observation.{code}"
            for code in ("value-quantity", "combo-value-quantity", "component-value-quantity")
        ),
        "of its types, SampledData is a series and no amount",
    ),
}
"""What is not carried out, each with its reason."""
CHUNK = 300


def test_every_parameter_of_r4_finds_a_resource_by_a_value_that_its_path_leads_to(dsn: str) -> None:
    service = service_on(dsn)
    context = context_of(service)
    made, beyond = _made()
    _store(context, [found.resource for _, found in made])
    missed = [f"{p.base}.{p.code}={m.asked}" for p, m in made if not _finds(context, p, m)]
    service.database.close()
    assert not missed, f"{len(missed)} of {len(made)}:\n" + "\n".join(missed)
    assert set(beyond) == {*BY_HAND, *UNKNOWN, *NOT_FOUND}, beyond
    assert len({p.id for p, _ in made}) > 1600


@pytest.mark.parametrize("name", BY_HAND)
def test_a_parameter_that_is_no_plain_path_finds_its_resource(name: str, dsn: str) -> None:
    service = service_on(dsn)
    base, _, code = name.partition(".")
    elements, asked = BY_HAND[name]
    put(context_of(service), {f"{base}/has": elements, f"{base}/has-not": {}})
    assert ids(search(context_of(service), base, [(code, asked)]).body) == ["has"]
    service.database.close()


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_parameter_that_nothing_can_be_indexed_by_is_unknown(name: str) -> None:
    base, _, code = name.partition(".")
    registry = build()
    assert name in registry.unsupported
    assert registry.get(base, code) is None


def _finds(context: Context, parameter: SearchParameter, made: Made) -> bool:
    pairs = [(parameter.code, made.asked), ("_id", made.resource["id"])]
    return ids(search(context, parameter.base, pairs).body) == [made.resource["id"]]


def _made() -> tuple[list[tuple[SearchParameter, Made]], dict[str, str]]:
    """A resource for each parameter, and those for which none could be made."""
    made, beyond, seen = [], {}, set()
    for parameter in search_parameters():
        if (
            parameter.type == "special"
            or parameter.code in BUILT_IN
            or (parameter.code in OF_ALL and parameter.code in seen)
        ):
            continue
        seen.add(parameter.code)
        for number, branch in enumerate(branches(parameter.expression)):
            try:
                made.append((parameter, _resource(parameter, branch, number)))
            except Unreachable as error:
                beyond[f"{parameter.base}.{parameter.code}"] = str(error)
    return made, beyond


def _resource(parameter: SearchParameter, branch: str, number: int) -> Made:
    resource: Json = {"resourceType": parameter.base, "id": f"p{parameter.id}-{number}"}
    if parameter.type != "composite":
        return Made(resource, fill(resource, branch, parameter.type, parameter.targets))
    texts = []
    for definition, expression in corrected(parameter):
        part = _by_url(definition)
        inner = branches(expression)[0]
        texts.append(fill(resource, f"{branch}.{inner}", part.type, part.targets))
    return Made(resource, "$".join(texts))


def _by_url(url: str) -> SearchParameter:
    return next(p for p in search_parameters() if p.url == url)


def _store(context: Context, resources: list[Json]) -> None:
    for chunk in _chunks(resources):
        with context.connect() as connection:
            context.apply(connection, [Write(r["resourceType"], r["id"], r) for r in chunk])


def _chunks(resources: list[Json]) -> Iterator[list[Json]]:
    for start in range(0, len(resources), CHUNK):
        yield resources[start : start + CHUNK]

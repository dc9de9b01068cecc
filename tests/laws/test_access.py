"""Laws of access: for random Consents, actors, purposes and requests nothing forbidden is in any answer, and a denial never shows more.

SQL judges for all paths; `consent.permits` judges one resource at a time and is the oracle. https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from fhir_server.access.actor import Actor, Role
from fhir_server.access.consent import permits
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.access.sensitive import bits_of, names
from fhir_server.interactions.context import Context, Service
from fhir_server.r4 import json
from tests.rest.test_access_matrix import ACT_CODE, ACT_REASON, PATHS, consent, label, record, shown
from tests.service import BASE, context_of, put, service_on

Json = dict[str, Any]
TYPES = "http://hl7.org/fhir/resource-types"
ROLES = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
P = "x"
RECORD = record(P)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=1, max_size=2)


def coding(system: str, *codes: str) -> st.SearchStrategy[Json]:
    return st.sampled_from([{"system": system, "code": code} for code in codes])


REFERENCES = st.sampled_from(
    ["Practitioner/7", "Practitioner/8", "Organization/1", "https://elsewhere.example/Practitioner/7"]
)
ACTORS = st.builds(
    lambda role, reference, is_changed: {
        "role": {"coding": [role]},
        **({"reference": {"reference": reference}} if reference else {}),
        **({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]} if is_changed else {}),
    },
    coding(ROLES, "IRCP", "PROV", "PAT", "CST", "AUT", "unheard-of"),
    st.none() | REFERENCES,
    st.sampled_from([False] * 9 + [True]),
)
PERIODS = st.sampled_from(
    [
        {},
        {"end": "2012"},
        {"start": "2024-01-01"},
        {"start": "2024-05-15", "end": "2024-12"},
        {"start": "soon"},
        {"end": "2999"},
    ]
)
CONDITIONS = {
    "purpose": some(coding(ACT_REASON, "TREAT", "ETREAT", "COC", "HOPERAT", "HRESCH", "PurposeOfUse", "UNHEARD")),
    "actor": some(ACTORS),
    "class": some(coding(TYPES, "Observation", "Condition", "Unheard")),
    "code": some(st.builds(lambda c: {"coding": [c]}, coding("http://loinc.org", "4548-4", "20447-9", "8302-2"))),
    "securityLabel": some(coding(ACT_CODE, "HIV", "PSY", "SEX", "ETH", "UNHEARD")),
    "dataPeriod": PERIODS,
    "period": PERIODS,
    "data": some(st.builds(lambda m, r: {"meaning": m, "reference": {"reference": r}}, st.sampled_from(["instance", "related", "authoredby"]), st.sampled_from([*sorted(RECORD), "Organization/1", "Organization/2"]))),
    "action": some(st.builds(lambda c: {"coding": [c]}, coding("http://terminology.hl7.org/CodeSystem/consentaction", "access", "collect", "unheard"))),
    "modifierExtension": st.just([{"url": "urn:x", "valueBoolean": True}]),
}  # fmt: skip


def provision(inner: st.SearchStrategy[Json] | None) -> st.SearchStrategy[Json]:
    optional: dict[str, Any] = {"type": st.sampled_from(["permit", "deny"]), **CONDITIONS}
    if inner is not None:
        optional["provision"] = st.lists(inner, max_size=2)
    return st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True).flatmap(
        lambda keys: st.fixed_dictionaries({key: optional[key] for key in keys})
    )


PROVISIONS = provision(provision(provision(None)))
CONSENTS = st.lists(st.tuples(PROVISIONS, st.sampled_from(["OPTIN", "OPTOUT", "none"])), max_size=3)
WHO = st.sampled_from(
    [
        (Actor.clinician("Practitioner/7"), Purpose.TREAT),
        (Actor.clinician("Practitioner/8"), Purpose.ETREAT),
        (Actor.clinician("Practitioner/8"), Purpose.COC),
        (Actor(Role.SYSTEM, "hie", "", None, parse_scopes("system/*.rs")), Purpose.TREAT),
        (Actor(Role.SYSTEM, "lab", "", None, parse_scopes("system/*.rs")), Purpose.HRESCH),
    ]
)


def consents(found: list[tuple[Json, str]]) -> list[Json]:
    return [
        {
            "resourceType": "Consent",
            "id": f"c{number}",
            **consent(P, told, policyRule={"coding": [{"system": ACT_CODE, "code": base}]}),
        }
        for number, (told, base) in enumerate(found)
    ]


@pytest.fixture(scope="module")
def service(postgres: str, template: str) -> Iterator[Service]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made = service_on(make_conninfo(postgres, dbname=name))
        put(context_of(made), RECORD)
        yield made
        made.database.close()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def answered(service: Service, given: list[Json], actor: Actor, purpose: Purpose, path: str) -> set[str]:
    """What the path shows while these Consents stand; they are taken back afterwards."""
    with context_of(service).transaction() as inside:
        assert inside.connection is not None
        put(inside, {f"Consent/{each['id']}": each for each in given})
        reader = Context(service, decide(actor, purpose), BASE, connection=inside.connection, trail=None)
        found = shown(PATHS[path](reader, P)) & set(RECORD)
        inside.connection.rollback()
    return found


def may_see(given: list[Json], name: str, actor: Actor, purpose: Purpose, now: Any) -> bool:
    kind, _, logical_id = name.partition("/")
    resource = {"resourceType": kind, "id": logical_id, **RECORD[name]}
    labels = names(bits_of(json.encode(resource), resource))
    labelled = {**resource, "meta": {"security": label(*labels)}}
    is_strict = bool(labels) or actor.role is Role.SYSTEM
    return permits(
        given, purpose, actor, "opt-in" if is_strict else "opt-out", now, patient=P, resource=labelled
    ).permit


PATH_NAMES = st.sampled_from(sorted(set(PATHS) - {"batch"}))


@settings(max_examples=150, deadline=None)
@given(found=CONSENTS, who=WHO, path=PATH_NAMES)
def test_no_path_shows_what_the_consents_withhold(
    service: Service, found: list[tuple[Json, str]], who: tuple[Actor, Purpose], path: str
) -> None:
    given = consents(found)
    for name in answered(service, given, *who, path):
        assert may_see(given, name, *who, service.clock()), name


@settings(max_examples=100, deadline=None)
@given(found=CONSENTS, more=PROVISIONS, who=WHO, path=PATH_NAMES)
def test_adding_a_denial_never_shows_more(
    service: Service, found: list[tuple[Json, str]], more: Json, who: tuple[Actor, Purpose], path: str
) -> None:
    denial = ({**more, "type": "deny", "provision": []}, "OPTIN")
    before, after = consents(found), consents([*found, denial])
    assert answered(service, after, *who, path) <= answered(service, before, *who, path)

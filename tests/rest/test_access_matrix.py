"""The access matrix: actor x purpose x Consent x path. What a Consent or a sensitive category withholds is in no answer, by whatever path.

The oracle is `consent.permits`, which judges one resource in Python; the paths judge in SQL. https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fhir_server.access.actor import Actor, Role
from fhir_server.access.consent import permits
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.access.sensitive import bits_of, names
from fhir_server.interactions.batch import batch
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.entries import entries_of
from fhir_server.interactions.history import history
from fhir_server.interactions.read import read, vread
from fhir_server.interactions.search import compartment, search
from fhir_server.operations import everything
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from fhir_server.search.compile import Compiler
from tests.service import BASE, context_of, put, service_on

Json = dict[str, Any]
ICD, LOINC = "http://hl7.org/fhir/sid/icd-10-cm", "http://loinc.org"
ACT_CODE, ACT_REASON = (
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://terminology.hl7.org/CodeSystem/v3-ActReason",
)
TYPES = "http://hl7.org/fhir/resource-types"
SCOPE = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
}


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def made_by(who: str) -> Json:
    return {"performer": [{"reference": who}]}


def record(patient: str) -> dict[str, Json]:
    """Plain, sensitive by code, sensitive by label, old and new; each tells of itself in a word that nothing else has."""
    subject = {"subject": {"reference": f"Patient/{patient}"}}
    seen = {"status": "final", **subject}
    return {
        f"Patient/{patient}": {"name": [{"family": f"W{patient}"}]},
        f"Encounter/{patient}-visit": {"status": "finished", "class": {"code": "AMB"}, **subject, "serviceProvider": {"reference": "Organization/1"}},
        f"Observation/{patient}-sugar": {**seen, "code": coded(LOINC, "4548-4"), "effectiveDateTime": "2024-05-01", **made_by("Organization/1")},
        f"Observation/{patient}-old": {**seen, "code": coded(LOINC, "2339-0"), "effectiveDateTime": "2010-05-01", **made_by("Organization/2")},
        f"Observation/{patient}-load": {
            **seen, "code": coded(LOINC, "20447-9"), "effectiveDateTime": "2024-06-01",
            "encounter": {"reference": f"Encounter/{patient}-visit"},
        },
        f"Observation/{patient}-told": {
            **seen, "code": coded(LOINC, "8302-2"), "effectiveDateTime": "2024-06-01",
            "meta": {"security": [{"system": ACT_CODE, "code": "SEX"}]},
        },
        f"Condition/{patient}-low": {**subject, "code": coded(ICD, "F32.1"), "encounter": {"reference": f"Encounter/{patient}-visit"}},
        f"Condition/{patient}-knee": {**subject, "code": coded(ICD, "M17.0"), "recordedDate": "2024-02-02"},
    }  # fmt: skip


def consent(patient: str, provision: Json, **more: Any) -> Json:
    return {
        "status": "active", "scope": SCOPE, "category": [coded("http://loinc.org", "59284-0")],
        "patient": {"reference": f"Patient/{patient}"}, "policyRule": coded(ACT_CODE, "OPTIN"), "provision": provision, **more,
    }  # fmt: skip


def purpose(code: str) -> list[Json]:
    return [{"system": ACT_REASON, "code": code}]


def label(*found: str) -> list[Json]:
    return [{"system": ACT_CODE, "code": code} for code in found]


def lee(who: str = "Practitioner/7") -> list[Json]:
    return [
        {
            "role": coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
            "reference": {"reference": who},
        }
    ]


def source(who: str, role: str = "CST") -> list[Json]:
    return [
        {
            "role": coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", role),
            "reference": {"reference": who},
        }
    ]


PROVISIONS: dict[str, list[Json]] = {
    "none": [],
    "permit": [{"type": "permit"}],
    "deny": [{"type": "deny"}],
    "deny-treat": [{"type": "deny", "purpose": purpose("TREAT")}],
    "deny-lee": [{"type": "permit", "provision": [{"type": "deny", "actor": lee()}]}],
    "only-lee": [{"type": "deny", "provision": [{"type": "permit", "actor": lee()}]}],
    "deny-group": [{"type": "permit", "provision": [{"type": "deny", "actor": lee("Organization/x")}]}],
    "deny-type": [{"type": "permit", "provision": [{"type": "deny", "class": [{"system": TYPES, "code": "Condition"}]}]}],
    "deny-code": [{"type": "permit", "provision": [{"type": "deny", "code": [coded(LOINC, "4548-4")]}]}],
    "only-code": [{"type": "deny", "provision": [{"type": "permit", "code": [coded(LOINC, "4548-4")]}]}],
    "deny-period": [{"type": "permit", "provision": [{"type": "deny", "dataPeriod": {"end": "2012-01-01"}}]}],
    "only-period": [{"type": "deny", "provision": [{"type": "permit", "dataPeriod": {"start": "2024-01-01"}}]}],
    "deny-one": [{"type": "permit", "provision": [{"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Observation/deny-one-old"}}]}]}],
    "deny-source": [{"type": "permit", "provision": [{"type": "deny", "actor": source("Organization/1")}]}],
    "only-source": [{"type": "deny", "provision": [{"type": "permit", "actor": source("Organization/1")}]}],
    "deny-source-lee": [{"type": "permit", "provision": [{"type": "deny", "actor": [*lee(), *source("Organization/2")]}]}],
    "deny-authored": [{"type": "permit", "provision": [{"type": "deny", "data": [{"meaning": "authoredby", "reference": {"reference": "Organization/1"}}]}]}],
    "permit-hiv": [{"type": "permit", "provision": [{"type": "permit", "securityLabel": label("HIV")}]}],
    "permit-all-labels": [{"type": "permit", "securityLabel": label("HIV", "PSY", "SEX", "ETH")}],
    "permit-psy-lee": [{"type": "permit", "provision": [{"type": "permit", "securityLabel": label("PSY"), "actor": lee()}]}],
    "deny-hiv": [{"type": "permit", "provision": [{"type": "deny", "securityLabel": label("HIV")}]}],
    "nested": [{"type": "deny", "provision": [{"type": "permit", "purpose": purpose("TREAT"), "provision": [{"type": "deny", "actor": lee()}]}]}],
    "two": [{"type": "permit", "securityLabel": label("HIV")}, {"type": "deny", "actor": lee()}],
    "over": [{"type": "deny", "period": {"end": "2001-01-01"}}],
    "unclear": [{"type": "permit", "provision": [{"type": "deny", "securityLabel": [{"system": "urn:x", "code": "x"}]}]}],
    "unknown-permit": [{"type": "permit", "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}],
}  # fmt: skip
PATIENTS = list(PROVISIONS)


def exchange(subject: str) -> Actor:
    return Actor(Role.SYSTEM, subject, "", None, parse_scopes("system/*.rs"))


WHO: dict[str, tuple[Actor, Purpose]] = {
    "lee": (Actor.clinician("Practitioner/7"), Purpose.TREAT),
    "kim": (Actor.clinician("Practitioner/8"), Purpose.TREAT),
    "kim-coordinating": (Actor.clinician("Practitioner/8"), Purpose.COC),
    "kim-emergency": (Actor.clinician("Practitioner/8"), Purpose.ETREAT),
    "kim-glass-whole": (Actor.clinician("Practitioner/8"), Purpose.BTG),
    "exchange": (exchange("hie"), Purpose.TREAT),
    "research": (exchange("lab"), Purpose.HRESCH),
}


@pytest.fixture(scope="module")
def service(postgres: str, template: str) -> Iterator[Service]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made = service_on(make_conninfo(postgres, dbname=name))
        try:
            _fill(made)
            yield made
        finally:
            made.database.close()
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _fill(service: Service) -> None:
    context = context_of(service)
    for patient in PATIENTS:
        put(context, record(patient))
        for number, provision in enumerate(PROVISIONS[patient]):
            put(context, {f"Consent/{patient}-{number}": consent(patient, provision)})
    put(
        context,
        {key: {**value, "language": "en"} for patient in PATIENTS for key, value in record(patient).items()},
    )


Path = Callable[[Context, str], Json]


def found(act: Callable[..., Any], *given: Any) -> Json:
    """The answer, or what a refusal says."""
    try:
        return json.decode_object(act(*given).body or b"{}")
    except FhirError as error:
        return error.as_outcome()


def _each(context: Context, patient: str, act: Callable[[str, str], Any]) -> Json:
    return {"answers": [found(act, *key.split("/")) for key in record(patient)]}


def _batch(context: Context, patient: str) -> Json:
    urls = [
        *record(patient),
        f"Observation?patient={patient}",
        f"Condition?patient={patient}&_include=Condition:encounter",
    ]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answers = batch(context, entries_of({"resourceType": "Bundle", "type": "batch", "entry": entries}))
    return {"answers": [json.decode_object(answer.body or b"{}") for answer in answers]}


def _everything(context: Context, patient: str) -> Json:
    request = OperationRequest("Patient", patient, {"resourceType": "Parameters", "parameter": []})
    return found(everything.everything, context, request)


def _pages(first: Context, then: Context, act: Callable[[Context, list[tuple[str, str]]], Any]) -> Json:
    """The first page as `first` gets it is left out; its links are followed by `then`, to the end."""
    answers: list[Json] = []
    asking, pairs = first, [("_count", "1")]
    for _ in range(50):
        answer = found(act, asking, pairs)
        if asking is then:
            answers.append(answer)
        links = {link["relation"]: link["url"] for link in answer.get("link", ())}
        if "next" not in links:
            break
        asking, pairs = then, parse_qsl(links["next"].partition("?")[2])
    return {"answers": answers}


def _of_patient(patient: str) -> Callable[[Context, list[tuple[str, str]]], Any]:
    return lambda c, pairs: search(
        c, "Observation", [("patient", patient), *(p for p in pairs if p[0] != "patient")]
    )


def _keeper(c: Context) -> Context:
    """The system, which sees all: its cursors stand next to what others may not see."""
    return Context(
        c.service, decide(Actor.system(), Purpose.HSYSADMIN), BASE, connection=c.connection, trail=None
    )


PATHS: dict[str, Path] = {
    "read": lambda c, p: _each(c, p, lambda kind, i: read(c, kind, i)),
    "vread": lambda c, p: _each(c, p, lambda kind, i: vread(c, kind, i, "1")),
    "history": lambda c, p: _each(c, p, lambda kind, i: history(c, kind, i, [])),
    "history-type": lambda c, p: found(history, c, "Observation", "", [("_count", "1000")]),
    "search": lambda c, p: found(search, c, "Observation", [("patient", p)]),
    "search-all": lambda c, p: found(search, c, "", [("_count", "1000"), ("_type", "Observation,Condition,Encounter")]),
    "search-sorted": lambda c, p: found(search, c, "Observation", [("_sort", "-date"), ("_count", "1000")]),
    "search-label": lambda c, p: found(search, c, "Observation", [("_security", "SEX")]),
    "compartment": lambda c, p: found(compartment, c, ("Patient", p), "", []),
    "include": lambda c, p: found(search, c, "Observation", [("patient", p), ("_include", "*")]),
    "revinclude": lambda c, p: found(search, c, "Patient", [("_id", p), ("_revinclude", "Observation:patient"), ("_revinclude", "Condition:patient")]),
    "iterate": lambda c, p: found(search, c, "Encounter", [("patient", p), ("_revinclude", "Observation:encounter"), ("_revinclude:iterate", "Condition:encounter")]),
    "everything": _everything,
    "batch": _batch,
    "pages": lambda c, p: _pages(c, c, _of_patient(p)),
    "pages by a cursor of the system's": lambda c, p: _pages(_keeper(c), c, _of_patient(p)),
    "history by a cursor of the system's": lambda c, p: _pages(_keeper(c), c, lambda x, q: history(x, "Observation", f"{p}-load", q)),
}  # fmt: skip


def shown(answer: Any) -> set[str]:
    """Type/id of every resource of a record in the answer, whatever it stands in."""
    if isinstance(answer, list):
        return {name for part in answer for name in shown(part)}
    if not isinstance(answer, Mapping):
        return set()
    is_resource = {"resourceType", "id"} <= set(answer) and answer["resourceType"] != "Bundle"
    own = {f"{answer['resourceType']}/{answer['id']}"} if is_resource else set()
    return own | {name for part in answer.values() for name in shown(part)}


def may_see(patient: str, name: str, who: str) -> bool:
    actor, asked = WHO[who]
    kind, _, logical_id = name.partition("/")
    resource = {"resourceType": kind, "id": logical_id, **record(patient)[name]}
    labels = names(bits_of(json.encode(resource), resource))
    labelled = {**resource, "meta": {"security": label(*labels)}}
    consents = [
        {"resourceType": "Consent", "id": f"{patient}-{n}", **consent(patient, provision)}
        for n, provision in enumerate(PROVISIONS[patient])
    ]
    mode = "opt-in" if labels or actor.role is Role.SYSTEM else "opt-out"
    decision = permits(consents, asked, actor, mode, datetime.now(UTC), patient=patient, resource=labelled)  # type: ignore[arg-type]
    return decision.permit and (not labels or _names(patient, labels, who))


def _names(patient: str, labels: list[str], who: str) -> bool:
    """A category has to be permitted by name, and to this actor."""
    text = str(PROVISIONS[patient])
    is_named = all(f"'{name}'" in text for name in labels)
    return is_named and (patient != "permit-psy-lee" or who == "lee")


def context(service: Service, who: str) -> Context:
    actor, asked = WHO[who]
    return Context(service, decide(actor, asked), BASE, trail=None)


@pytest.mark.parametrize("who", list(WHO))
@pytest.mark.parametrize("path", list(PATHS))
def test_no_path_shows_what_the_consents_withhold(service: Service, who: str, path: str) -> None:
    made = context(service, who)
    for patient in PATIENTS:
        answer = PATHS[path](made, patient)
        names_shown = shown(answer)
        for other in PATIENTS:
            for name in record(other):
                assert name not in names_shown or may_see(other, name, who), (who, path, patient, name)


@pytest.mark.parametrize("who", list(WHO))
@pytest.mark.parametrize("patient", PATIENTS)
def test_what_nothing_withholds_is_shown(service: Service, who: str, patient: str) -> None:
    made = context(service, who)
    expected = {name for name in record(patient) if may_see(patient, name, who)}
    assert shown(PATHS["read"](made, patient)) & set(record(patient)) == expected


@pytest.mark.parametrize("who", list(WHO))
def test_counts_chains_and_has_agree_with_what_may_be_seen(service: Service, who: str) -> None:
    made = context(service, who)
    for patient in PATIENTS:
        visible = {name for name in shown(PATHS["read"](made, patient)) if name in record(patient)}
        observations = [name for name in visible if name.startswith("Observation/")]
        counted = found(search, made, "Observation", [("patient", patient), ("_summary", "count")])
        assert counted.get("total", 0) == len(observations)
        load = f"Observation/{patient}-load" in visible
        through = found(
            search, made, "Patient", [("_id", patient), ("_has:Observation:patient:code", "20447-9")]
        )
        assert not shown(through) or load
        behind = found(
            search,
            made,
            "Condition",
            [("encounter._has:Observation:encounter:code", "20447-9"), ("patient", patient)],
        )
        assert not shown(behind) or load


@pytest.mark.parametrize("name", ["load", "told"])
def test_withheld_and_absent_read_the_same(service: Service, name: str) -> None:
    made = context(service, "lee")
    there, nowhere = (found(read, made, "Observation", f"{prefix}-{name}") for prefix in ("none", "nope"))
    assert str(there).replace("none-", "nope-") == str(nowhere)


def test_the_patient_sees_all_of_the_own_record(service: Service) -> None:
    for patient in PATIENTS:
        own = Context(service, decide(Actor.of_patient(patient), Purpose.PATRQT), BASE, trail=None)
        assert set(record(patient)) <= shown(PATHS["read"](own, patient))


def test_the_matrix_has_two_thousand_combinations() -> None:
    assert len(WHO) * len(PATIENTS) * len(PATHS) >= 2000


def test_a_consent_withdrawn_counts_no_more_in_the_same_transaction(service: Service) -> None:
    writer = context_of(service)
    with writer.transaction() as inside:
        reader = context(service, "lee")
        assert inside.connection is not None
        compiler = Compiler(reader.access, reader.now())
        query = f"SELECT count(*) FROM resource r WHERE r.id = 'permit-hiv-load' AND ({compiler.access.on('r').text})"
        before = inside.connection.execute(query, compiler.access.on("r").values).fetchone()
        put(
            inside,
            {
                "Consent/permit-hiv-0": {
                    **consent("permit-hiv", PROVISIONS["permit-hiv"][0]),
                    "status": "inactive",
                }
            },
        )
        after = inside.connection.execute(query, compiler.access.on("r").values).fetchone()
        assert (before, after) == ((1,), (0,))
        inside.connection.rollback()

"""What a Consent withholds and what is not there are told apart by no interaction: not when it was deleted, not by a write, not by a version.

A clinician asks the same of a withheld resource, of one that was deleted, and of an id that nobody ever had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fhir_server.access.actor import Actor, Role
from fhir_server.access.decide import decide
from fhir_server.access.purpose import Purpose
from fhir_server.access.scopes import parse_scopes
from fhir_server.interactions.batch import batch
from fhir_server.interactions.context import Context, Service
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import conditional_delete, delete
from fhir_server.interactions.entries import entries_of
from fhir_server.interactions.history import history
from fhir_server.interactions.patch import patch
from fhir_server.interactions.read import read, vread
from fhir_server.interactions.search import search
from fhir_server.interactions.transaction import transaction
from fhir_server.interactions.update import conditional_update, update
from fhir_server.operations.meta import meta
from fhir_server.operations.registry import OperationRequest
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError
from tests.rest.test_access_matrix import LOINC, coded, consent, purpose, source
from tests.service import BASE, context_of, put, service_on

Json = dict[str, Any]
KIM = (Actor.clinician("Practitioner/7"), Purpose.TREAT)
HIE = (Actor(Role.SYSTEM, "hie", "", None, parse_scopes("system/*.cruds")), Purpose.TREAT)
DENIALS: dict[str, Json] = {
    "all": {"type": "deny"},
    "code": {"type": "permit", "provision": [{"type": "deny", "code": [coded(LOINC, "4548-4")]}]},
    "period": {"type": "permit", "provision": [{"type": "deny", "dataPeriod": {"start": "2024", "end": "2024"}}]},
    "source": {"type": "permit", "provision": [{"type": "deny", "actor": source("Organization/1")}]},
    "purpose": {"type": "permit", "provision": [{"type": "deny", "purpose": purpose("TREAT")}]},
    "class": {"type": "permit", "provision": [{"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]}]},
}  # fmt: skip


def result(patient: str, **more: Any) -> Json:
    return {
        "status": "final",
        "code": coded(LOINC, "4548-4"),
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2024-05-01",
        "performer": [{"reference": "Organization/1"}],
        **more,
    }


@pytest.fixture
def service(dsn: str) -> Iterator[Service]:
    """For each denial a patient with a result that is there, one that was deleted, and one that no longer is what was denied."""
    made = service_on(dsn)
    writer = context_of(made)
    for name, provision in DENIALS.items():
        put(writer, {f"Patient/{name}": {}, f"Consent/{name}": consent(name, provision)})
        put(writer, {f"Observation/{name}-{kind}": result(name) for kind in ("here", "gone", "other")})
        delete(writer, "Observation", f"{name}-gone")
        now = {
            "code": coded(LOINC, "8302-2"),
            "effectiveDateTime": "2020",
            "performer": [{"reference": "Organization/2"}],
        }
        put(writer, {f"Observation/{name}-other": result(name) | now})
    yield made
    made.database.close()


def reader(service: Service, who: tuple[Actor, Purpose] = KIM) -> Context:
    return Context(service, decide(*who, mode="opt-out"), BASE, trail=None)


Act = Callable[[Context, str], Any]


def told(act: Act, asking: Context, logical_id: str) -> tuple[int, str]:
    """Status and words, without the id that was asked for and without times and ids that are made anew."""
    try:
        answer = act(asking, logical_id)
        found = answer[0] if isinstance(answer, list) else answer
        content = json.decode_object(found.body or b"{}")
        for changing in ("id", "meta"):
            content.pop(changing, None)
        status, text = found.status, f"{content} {found.outcome}"
    except FhirError as error:
        status, text = error.problem.status, str(error.as_outcome())
    return status, text.replace(logical_id, "?")


def body(logical_id: str, **more: Any) -> Json:
    return {"resourceType": "Observation", "id": logical_id, "status": "final", "code": {"text": "x"}, **more}


def pointing(logical_id: str) -> Json:
    found = body("", derivedFrom=[{"reference": f"Observation/{logical_id}"}])
    return {name: value for name, value in found.items() if name != "id"}


def bundled(
    method: str, url: str, resource: Json | None = None, kind: str = "transaction", **request: Any
) -> Json:
    entry: Json = {"request": {"method": method, "url": url, **request}}
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [entry | ({"resource": resource} if resource else {})],
    }


def _batch(c: Context, bundle: Json) -> Any:
    (answer,) = batch(c, entries_of(bundle))
    return answer


ACTS: dict[str, Callable[[Context, str], Any]] = {
    "read": lambda c, i: read(c, "Observation", i),
    "vread": lambda c, i: vread(c, "Observation", i, "1"),
    "vread of the second version": lambda c, i: vread(c, "Observation", i, "2"),
    "history": lambda c, i: history(c, "Observation", i, []),
    "search by id": lambda c, i: search(c, "Observation", [("_id", i)]),
    "count by id": lambda c, i: search(c, "Observation", [("_id", i), ("_summary", "count")]),
    "has": lambda c, i: search(c, "Patient", [("_has:Observation:patient:_id", i), ("_summary", "count")]),
    "update": lambda c, i: update(c, "Observation", i, body(i)),
    "update of a version": lambda c, i: update(c, "Observation", i, body(i), if_match=1),
    "update where none is": lambda c, i: update(c, "Observation", i, body(i), if_match=0),
    "conditional update": lambda c, i: conditional_update(c, "Observation", "identifier=x", body(i)),
    "patch": lambda c, i: patch(c, "Observation", i, "", [{"op": "test", "path": "/status", "value": "final"}]),
    "delete": lambda c, i: delete(c, "Observation", i),
    "delete of a version": lambda c, i: delete(c, "Observation", i, if_match=1),
    "conditional delete": lambda c, i: conditional_delete(c, "Observation", f"_id={i}"),
    "meta": lambda c, i: meta(c, OperationRequest("Observation", i, {})),
    "transaction with an update": lambda c, i: transaction(c, entries_of(bundled("PUT", f"Observation/{i}", body(i)))),
    "transaction with a conditional update": lambda c, i: transaction(c, entries_of(bundled("PUT", "Observation?identifier=x", body(i)))),
    "transaction with a delete": lambda c, i: transaction(c, entries_of(bundled("DELETE", f"Observation/{i}"))),
    "transaction with a read": lambda c, i: transaction(c, entries_of(bundled("GET", f"Observation/{i}"))),
    "transaction with a patch": lambda c, i: transaction(c, entries_of(bundled("PATCH", f"Observation/{i}", {"resourceType": "Parameters"}))),
    "batch with a read": lambda c, i: _batch(c, bundled("GET", f"Observation/{i}", kind="batch")),
    "batch with a read of a version that is known": lambda c, i: _batch(c, bundled("GET", f"Observation/{i}", kind="batch", ifNoneMatch='W/"1"')),
    "batch with an update": lambda c, i: _batch(c, bundled("PUT", f"Observation/{i}", body(i), "batch")),
    "reference to it": lambda c, i: create(c, "Observation", pointing(i)),
}  # fmt: skip


@pytest.mark.parametrize("who", [KIM, HIE], ids=["clinician", "exchange"])
@pytest.mark.parametrize("act", ACTS)
def test_withheld_deleted_and_never_there_read_the_same(
    service: Service, act: str, who: tuple[Actor, Purpose]
) -> None:
    asking = reader(service, who)
    for denial in DENIALS:
        answers = {
            told(ACTS[act], asking, i) for i in (f"{denial}-here", f"{denial}-gone", f"{denial}-never")
        }
        assert len(answers) == 1, (denial, answers)


@pytest.mark.parametrize("act", ACTS)
def test_nothing_that_is_withheld_is_changed(service: Service, act: str) -> None:
    for denial in DENIALS:
        told(ACTS[act], reader(service), f"{denial}-here")
        assert (
            json.decode_object(read(context_of(service), "Observation", f"{denial}-here").body or b"")[
                "meta"
            ]["versionId"]
            == "1"
        )


@pytest.mark.parametrize("denial", ["code", "period", "source"])
def test_a_version_from_before_is_withheld_as_it_was(service: Service, denial: str) -> None:
    """The index speaks of the current version, which nobody denies; what it was before stays where it is."""
    asking = reader(service)
    assert read(asking, "Observation", f"{denial}-other").status == 200
    assert told(ACTS["vread"], asking, f"{denial}-other")[0] == 404
    assert b"4548-4" not in (history(asking, "Observation", f"{denial}-other", []).body or b"")


def test_the_type_history_tells_of_no_deletion_that_is_withheld(service: Service) -> None:
    found = history(reader(service), "Observation", "", [("_count", "1000")]).body or b""
    assert [name for name in DENIALS if f"{name}-gone".encode() in found] == []


def test_a_patient_is_told_that_the_own_resource_was_deleted_and_nothing_of_others(service: Service) -> None:
    own = Context(service, decide(Actor.of_patient("all"), Purpose.PATRQT), BASE, trail=None)
    assert told(ACTS["read"], own, "all-gone")[0] == 410
    answers = {told(ACTS["read"], own, i) for i in ("code-gone", "code-here", "code-never")}
    assert len(answers) == 1


@pytest.mark.parametrize("denial", DENIALS)
def test_with_references_enforced_a_withheld_one_is_as_one_that_is_not_there(
    dsn: str, service: Service, denial: str
) -> None:
    strict = service_on(dsn, references="enforce")
    try:
        put(context_of(strict), {"Organization/1": {}, "Organization/2": {}})
        answers = {
            told(ACTS["reference to it"], reader(strict), i)
            for i in (f"{denial}-here", f"{denial}-gone", f"{denial}-never")
        }
        assert {status for status, _ in answers} == {422}
        assert len(answers) == 1
        put(context_of(strict), {"Patient/free": {}, "Observation/free": result("free")})
        assert ACTS["reference to it"](reader(strict), "free").status == 201
    finally:
        strict.database.close()


def test_a_backend_service_that_sees_all_of_a_type_writes_under_its_own_ids(service: Service) -> None:
    loader = Actor(Role.SYSTEM, "loader", "", None, parse_scopes("system/Observation.cruds"))
    assert (
        update(reader(service, (loader, Purpose.HSYSADMIN)), "Observation", "new", body("new")).status == 201
    )

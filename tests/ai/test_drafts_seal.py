"""No way but a sign-off moves a draft of the assistant on: every route, Bundle, patch and import is tried, by people who may write.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ai_layer.app import make_service
from ai_layer.drafts.seal import SIGNED, DraftSeal, break_seal, moves_on
from fhir_server.access.actor import Role
from fhir_server.app import create_app
from fhir_server.ingest import ingest_bundle
from fhir_server.interactions.bundle import process
from fhir_server.interactions.context import Context
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.patch import patch
from fhir_server.interactions.update import conditional_update, update
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest.auth import issue_token
from fhir_server.settings import Settings
from tests.unit.drafts.clinic import Clinic, clinic_on, diary, order, record, slot

Json = dict[str, Any]
Way = Callable[[Context, Json], object]
ROOT = Path(__file__).parent.parent.parent
ACTING = {"MedicationRequest": {"status": "active", "intent": "order"}, "Appointment": {"status": "booked"}}


@pytest.fixture
def clinic(dsn: str) -> Iterator[Clinic]:
    with clinic_on(dsn) as found:
        found.put(*record(), *diary(), slot("one", 1))
        yield found


def drafted(clinic: Clinic, kind: str) -> Json:
    """A draft that waits."""
    if kind == "MedicationRequest":
        answer = clinic.call(clinic.patient(), "draft-refill", "MedicationRequest/order-p")
    else:
        answer = clinic.call(clinic.patient(), "draft-appointment", "Patient/p")
    return clinic.get(answer.reference("draft"))


def promoted(draft: Json) -> Json:
    """As somebody would like to have it."""
    return json.decode_object(json.encode(draft | ACTING[draft["resourceType"]]))


def bundle(kind: str, method: str, resource: Json, url: str) -> bytes:
    entry = {"resource": resource, "request": {"method": method, "url": url}}
    return json.encode({"resourceType": "Bundle", "type": kind, "entry": [entry]})


def by_update(context: Context, draft: Json) -> object:
    return update(context, draft["resourceType"], draft["id"], promoted(draft))


def by_taking_the_label_off(context: Context, draft: Json) -> object:
    bare = {name: value for name, value in draft.items() if name != "meta"}
    return update(context, draft["resourceType"], draft["id"], bare)


def by_another_label(context: Context, draft: Json) -> object:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "CLINAST"}
    signed = promoted(draft) | {"meta": {"security": [*draft["meta"]["security"], label]}}
    return update(context, draft["resourceType"], draft["id"], signed)


def by_conditional_update(context: Context, draft: Json) -> object:
    return conditional_update(context, draft["resourceType"], f"_id={draft['id']}", promoted(draft))


def by_patch(context: Context, draft: Json) -> object:
    wanted = ACTING[draft["resourceType"]]
    steps = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in wanted.items()]
    return patch(context, draft["resourceType"], draft["id"], "", steps)


def by_fhirpath_patch(context: Context, draft: Json) -> object:
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": f"{draft['resourceType']}.status"},
        {"name": "value", "valueCode": ACTING[draft["resourceType"]]["status"]},
    ]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    return patch(context, draft["resourceType"], draft["id"], "", change)


def by_transaction(context: Context, draft: Json) -> object:
    address = f"{draft['resourceType']}/{draft['id']}"
    return process(context, bundle("transaction", "PUT", promoted(draft), address))


def by_batch(context: Context, draft: Json) -> object:
    address = f"{draft['resourceType']}/{draft['id']}"
    answer = process(context, bundle("batch", "PUT", promoted(draft), address))
    said = json.decode_object(answer.body or b"{}")["entry"][0]["response"]["status"]
    if said.startswith("4"):
        raise FhirError(_problem(int(said[:3])), said)
    return answer


def _problem(status: int) -> Problem:
    return next(each for each in Problem if each.status == status)


def by_import(context: Context, draft: Json) -> object:
    entry = {
        "resource": promoted(draft),
        "fullUrl": f"http://test/fhir/{draft['resourceType']}/{draft['id']}",
    }
    found = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    return ingest_bundle(context, found, "import.json")


def by_deleting_it_first(context: Context, draft: Json) -> object:
    delete(context, draft["resourceType"], draft["id"])
    return update(context, draft["resourceType"], draft["id"], promoted(draft))


WAYS: list[Way] = [
    by_update,
    by_taking_the_label_off,
    by_another_label,
    by_conditional_update,
    by_patch,
    by_fhirpath_patch,
    by_transaction,
    by_batch,
    by_deleting_it_first,
]


@pytest.mark.parametrize("kind", ["MedicationRequest", "Appointment"])
@pytest.mark.parametrize("way", WAYS, ids=[each.__name__ for each in WAYS])
@pytest.mark.parametrize("who", ["system", "clinician"])
def test_a_draft_is_not_moved_on(clinic: Clinic, kind: str, way: Way, who: str) -> None:
    draft = drafted(clinic, kind)
    context = clinic.system if who == "system" else clinic.clinician()
    with pytest.raises(FhirError) as refused:
        way(context, draft)
    assert 400 <= refused.value.problem.status < 500
    assert not acting(clinic, draft)


def acting(clinic: Clinic, draft: Json) -> bool:
    """Whether the draft, or anything based on it, is in force."""
    kinds = {"MedicationRequest": "active", "Appointment": "booked"}
    found = clinic.found(draft["resourceType"], status=kinds[draft["resourceType"]])
    return any(each["id"] != "order-p" for each in found)


@pytest.mark.parametrize("kind", ["MedicationRequest", "Appointment"])
def test_an_import_does_not_move_a_draft_on(clinic: Clinic, kind: str) -> None:
    draft = drafted(clinic, kind)
    with pytest.raises(FhirError):
        by_import(clinic.system, draft)
    assert not acting(clinic, draft)
    assert clinic.get(f"{kind}/{draft['id']}")["status"] == draft["status"]


@pytest.mark.parametrize("kind", ["MedicationRequest", "Appointment"])
@pytest.mark.parametrize("way", [by_update, by_patch, by_another_label, by_transaction])
def test_a_draft_that_was_rejected_stays_rejected(clinic: Clinic, kind: str, way: Way) -> None:
    draft = drafted(clinic, kind)
    (task,) = clinic.found("Task", focus=f"{kind}/{draft['id']}")
    clinic.call(clinic.clinician(), "sign-off", f"Task/{task['id']}", decision="reject")
    rejected = clinic.get(f"{kind}/{draft['id']}")
    with pytest.raises(FhirError):
        way(clinic.system, rejected)
    assert not acting(clinic, draft)


def test_no_order_is_based_on_a_draft_that_nobody_signed(clinic: Clinic) -> None:
    draft = drafted(clinic, "MedicationRequest")
    basis = [{"reference": f"MedicationRequest/{draft['id']}"}]
    with pytest.raises(FhirError):
        create(clinic.clinician(), "MedicationRequest", order(basedOn=basis))
    assert not acting(clinic, draft)


DISPENSE = {
    "resourceType": "MedicationDispense",
    "subject": {"reference": "Patient/p"},
    "medicationCodeableConcept": {"text": "lisinopril"},
}


@pytest.mark.parametrize(
    ("status", "is_refused"), [("completed", True), ("preparation", True), ("declined", False)]
)
def test_nothing_is_handed_out_on_a_draft_that_nobody_signed(
    clinic: Clinic, status: str, is_refused: bool
) -> None:
    draft = drafted(clinic, "MedicationRequest")
    basis = [{"reference": f"MedicationRequest/{draft['id']}"}]
    dispense = DISPENSE | {"status": status, "authorizingPrescription": basis}
    if is_refused:
        with pytest.raises(FhirError):
            create(clinic.system, "MedicationDispense", dispense)
    else:
        assert create(clinic.system, "MedicationDispense", dispense).id


def test_a_visit_does_not_begin_on_a_draft_that_nobody_signed(clinic: Clinic) -> None:
    draft = drafted(clinic, "Appointment")
    walk = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    basis = [{"reference": f"Appointment/{draft['id']}"}]
    begun = {"resourceType": "Encounter", "status": "in-progress", "class": walk, "appointment": basis}
    with pytest.raises(FhirError):
        create(clinic.clinician(), "Encounter", begun)
    (task,) = clinic.found("Task", focus=f"Appointment/{draft['id']}")
    clinic.call(clinic.clinician(), "sign-off", f"Task/{task['id']}", decision="approve")
    assert create(clinic.clinician(), "Encounter", begun).id


def test_a_signed_proposal_does_not_become_a_second_order(clinic: Clinic) -> None:
    draft = drafted(clinic, "MedicationRequest")
    (task,) = clinic.found("Task", focus=f"MedicationRequest/{draft['id']}")
    clinic.call(clinic.clinician(), "sign-off", f"Task/{task['id']}", decision="approve")
    with pytest.raises(FhirError):
        by_update(clinic.system, clinic.get(f"MedicationRequest/{draft['id']}"))


def test_what_has_been_signed_goes_its_usual_way(clinic: Clinic) -> None:
    draft = drafted(clinic, "Appointment")
    (task,) = clinic.found("Task", focus=f"Appointment/{draft['id']}")
    clinic.call(clinic.clinician(), "sign-off", f"Task/{task['id']}", decision="approve")
    for status in ("cancelled", "booked", "arrived", "fulfilled"):
        clinic.put(clinic.get(f"Appointment/{draft['id']}") | {"status": status})
        assert clinic.get(f"Appointment/{draft['id']}")["status"] == status


def test_drafts_that_a_client_wrote_itself_are_the_client_s_own(clinic: Clinic) -> None:
    own = order(id="own") | {"status": "draft"}
    clinic.put(own)
    clinic.put(own | {"status": "active"})
    assert clinic.get("MedicationRequest/own")["status"] == "active"


def test_a_seal_is_broken_for_one_draft_only(clinic: Clinic) -> None:
    first, second = drafted(clinic, "MedicationRequest"), drafted(clinic, "Appointment")
    with clinic.system.transaction() as inside:
        assert inside.connection is not None
        break_seal(inside.connection, f"MedicationRequest/{first['id']}")
        with pytest.raises(FhirError):
            by_update(inside, second)
        inside.connection.rollback()
    assert not acting(clinic, second)


def test_a_broken_seal_ends_with_its_transaction(clinic: Clinic) -> None:
    draft = drafted(clinic, "Appointment")
    with clinic.system.transaction() as inside:
        assert inside.connection is not None
        break_seal(inside.connection, f"Appointment/{draft['id']}")
    for _ in range(20):  # whichever connection of the pool comes
        with pytest.raises(FhirError):
            by_update(clinic.system, draft)


def test_over_http_nobody_moves_a_draft_on_without_a_sign_off(clinic: Clinic) -> None:
    draft, visit = drafted(clinic, "MedicationRequest"), drafted(clinic, "Appointment")
    tokens = {role: issue_token(clinic.service, role, "p" if role is Role.PATIENT else "") for role in Role}
    with TestClient(create_app(clinic.service)) as client:
        for role, token in tokens.items():
            client.headers["authorization"] = f"Bearer {token}"
            for found in (draft, visit):
                address = f"/fhir/{found['resourceType']}/{found['id']}"
                wanted = json.encode(promoted(found)).decode()
                patches = [
                    {"op": "replace", "path": "/status", "value": ACTING[found["resourceType"]]["status"]}
                ]
                tries = [
                    client.put(address, content=wanted, headers={"content-type": "application/fhir+json"}),
                    client.patch(
                        address, json=patches, headers={"content-type": "application/json-patch+json"}
                    ),
                    client.post("/fhir", content=bundle("transaction", "PUT", promoted(found), address[6:])),
                ]
                assert [each.status_code // 100 for each in tries] == [4, 4, 4], (
                    role,
                    [t.text for t in tries],
                )
            (task, *_) = clinic.found("Task", focus=f"MedicationRequest/{draft['id']}")
            signed = client.post(f"/fhir/Task/{task['id']}/$sign-off", json=_approval())
            assert signed.status_code == 403
        assert not acting(clinic, draft)
        assert not acting(clinic, visit)


def _approval() -> Json:
    """A token without a person behind it signs nothing either."""
    return {"resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": "approve"}]}


def test_the_assistant_s_server_has_the_seal(dsn: str) -> None:
    service = make_service(Settings(), dsn)
    try:
        assert any(isinstance(hook, DraftSeal) for hook in service.writer.hooks)
    finally:
        service.database.close()


def importers(module: str, name: str) -> set[str]:
    """The files of the packages that import this name from this module."""
    found = set()
    for path in sorted((ROOT / "ai_layer").rglob("*.py")) + sorted((ROOT / "fhir_server").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module == module
                and name in [n.name for n in node.names]
            ):
                found.add(path.relative_to(ROOT).as_posix())
    return found


def test_only_the_sign_off_breaks_a_seal() -> None:
    assert importers("ai_layer.drafts.seal", "break_seal") == {"ai_layer/drafts/signoff.py"}
    assert importers("ai_layer.drafts.approval", "approve_refill") == {"ai_layer/drafts/signoff.py"}
    assert importers("ai_layer.drafts.approval", "approve_appointment") == {"ai_layer/drafts/signoff.py"}
    assert importers("ai_layer.drafts.signoff", "sign_off") == {"ai_layer/drafts/operations.py"}


PROPOSAL = {"resourceType": "MedicationRequest", "status": "draft", "intent": "proposal"}
LABELLED = {
    "meta": {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}]
    }
}
MOVES = [
    (PROPOSAL | LABELLED, {"status": "active"}, True),
    (PROPOSAL | LABELLED, {"status": "cancelled"}, True),
    (PROPOSAL | LABELLED, {"intent": "order"}, True),
    (PROPOSAL | LABELLED, {"note": []}, False),
    (PROPOSAL | LABELLED, {"meta": {"security": [*LABELLED["meta"]["security"], SIGNED]}}, True),
    (PROPOSAL, {"status": "active", "intent": "order"}, False),
    (PROPOSAL | LABELLED | {"status": "cancelled"}, {"status": "active"}, True),
    (PROPOSAL | LABELLED | {"status": "cancelled"}, {"status": "entered-in-error"}, False),
    (PROPOSAL | LABELLED | {"intent": "order", "status": "active"}, {"status": "stopped"}, False),
]


@pytest.mark.parametrize(("before", "change", "wanted"), MOVES)
def test_what_moves_a_draft_on(before: Json, change: Json, wanted: bool) -> None:
    assert moves_on(before, before | change) is wanted
    assert moves_on(before, None) is False

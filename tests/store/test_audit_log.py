"""The audit log: every deed has its row, rows commit with what they tell, and nobody takes one away unseen.

https://profiles.ihe.net/ITI/BALP/ and https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from starlette.testclient import TestClient

from fhir_server.__main__ import main
from fhir_server.access import deed as deeds
from fhir_server.access.actor import Actor, Role
from fhir_server.app import create_app
from fhir_server.interactions import telling
from fhir_server.interactions.context import Service
from fhir_server.interactions.delete import delete
from fhir_server.rest.auth import issue_token
from fhir_server.store.audit_log import Head, faults, head
from tests.service import context_of, put, service_on

Json = dict[str, Any]
FHIR = {"content-type": "application/fhir+json"}


@pytest.fixture
def service(dsn: str) -> Iterator[Service]:
    made = service_on(dsn)
    context = context_of(made)
    put(
        context,
        {
            "Patient/a": {"name": [{"family": "Quist"}]},
            "Patient/b": {},
            "Observation/o": {
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": "Patient/a"},
            },
            "Observation/p": {
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": "Patient/b"},
            },
            "Practitioner/7": {},
        },
    )
    yield made
    made.database.close()


@pytest.fixture
def clinician(service: Service) -> TestClient:
    return client(service, Role.CLINICIAN)


def client(service: Service, role: Role, patient: str = "") -> TestClient:
    token = issue_token(service, role, patient)
    return TestClient(create_app(service), headers={"authorization": f"Bearer {token}"})


def rows(service: Service) -> list[deeds.Deed]:
    with service.database.transaction() as connection:
        found = connection.execute("SELECT deed FROM audit_log ORDER BY n").fetchall()
    return [deeds.read(text) for (text,) in found]


def told(service: Service, query: str) -> list[Json]:
    found = client(service, Role.SYSTEM).get(f"/fhir/AuditEvent?_count=1000&{query}").json()
    return [entry["resource"] for entry in found.get("entry", [])]


def body(kind: str, **elements: Any) -> Json:
    return {"resourceType": kind, **elements}


OBSERVATION = body("Observation", status="final", code={"text": "y"}, subject={"reference": "Patient/a"})
BUNDLE = body(
    "Bundle",
    type="batch",
    entry=[
        {"request": {"method": "GET", "url": "Observation/o"}},
        {"request": {"method": "GET", "url": "Observation/none"}},
        {"request": {"method": "POST", "url": "Observation"}, "resource": OBSERVATION},
    ],
)
REQUESTS: list[tuple[str, str, Json | None, list[tuple[str, int, int]]]] = [
    ("GET", "Observation/o", None, [("read", 200, 1)]),
    ("HEAD", "Observation/o", None, [("read", 200, 1)]),
    ("GET", "Observation/o/_history/1", None, [("vread", 200, 1)]),
    ("GET", "Observation/o/_history", None, [("history", 200, 1)]),
    ("GET", "Observation?_include=Observation:subject", None, [("search", 200, 4)]),
    ("GET", "Observation?_summary=count", None, [("search", 200, 0)]),
    ("GET", "Patient/a/Observation", None, [("search", 200, 1)]),
    ("POST", "Observation", OBSERVATION, [("create", 200, 1)]),
    ("PUT", "Observation/o", OBSERVATION | {"id": "o"}, [("update", 200, 1)]),
    ("PUT", "Observation/new", OBSERVATION | {"id": "new"}, [("update", 403, 0)]),
    ("DELETE", "Observation/o", None, [("delete", 200, 1)]),
    ("POST", "", BUNDLE, [("read", 200, 1), ("read", 404, 0), ("create", 200, 1)]),
    ("POST", "", BUNDLE | {"type": "transaction", "entry": BUNDLE["entry"][2:]}, [("create", 200, 1)]),
    ("GET", "Patient/a/$everything", None, [("operation", 200, 2)]),
    ("GET", "Observation/none", None, [("read", 404, 0)]),
    ("GET", "Observation?nothing=1", None, [("search", 400, 0)]),
    ("GET", "AuditEvent", None, [("search", 403, 0)]),
    ("POST", "Practitioner", body("Practitioner"), [("create", 403, 0)]),
    ("POST", "$ingest", {}, [("operation", 403, 0)]),
    ("GET", "metadata", None, []),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "given", "wanted"), REQUESTS)
def test_each_request_leaves_its_rows(
    service: Service, clinician: TestClient, method: str, address: str, given: Json | None, wanted: list[Any]
) -> None:
    before = len(rows(service))
    clinician.request(method, f"/fhir/{address}", json=given, headers=FHIR)
    found = rows(service)[before:]
    assert [(deed.interaction, deed.status, len(deed.shown)) for deed in found] == wanted
    assert {(deed.role, deed.purpose) for deed in found} <= {("clinician", "TREAT")}


def test_without_a_valid_token_there_is_no_actor_and_no_row(service: Service) -> None:
    before = len(rows(service))
    assert TestClient(create_app(service)).get("/fhir/Patient/a").status_code == 401
    assert len(rows(service)) == before


def test_a_write_that_came_to_nothing_left_no_row_of_its_success(
    service: Service, clinician: TestClient
) -> None:
    broken = BUNDLE | {"type": "transaction", "entry": [BUNDLE["entry"][2], BUNDLE["entry"][1]]}
    before = len(rows(service))
    assert clinician.post("/fhir", json=broken, headers=FHIR).status_code == 404
    assert [(deed.interaction, deed.status) for deed in rows(service)[before:]] == [("transaction", 404)]


def test_a_row_holds_no_word_of_the_record(service: Service, clinician: TestClient) -> None:
    clinician.get("/fhir/Patient/a")
    clinician.get("/fhir/Patient")
    assert not [deed for deed in rows(service) if "Quist" in deeds.written(deed)]


def test_a_search_makes_one_event_for_each_patient_it_showed(service: Service, clinician: TestClient) -> None:
    clinician.get("/fhir/Observation?status=final")
    of_a, of_b = (told(service, f"patient=Patient/{name}&subtype=search") for name in "ab")
    assert [len(of_a), len(of_b)] == [1, 1]
    text = str(of_a[0])
    assert "Observation/o/_history/1" in text
    assert "Observation/p" not in text
    (query,) = [entity["query"] for entity in of_a[0]["entity"] if "query" in entity]
    assert b64decode(query) == b"Observation?status=final"
    AuditEvent.model_validate(of_a[0])


def test_a_patient_reads_the_own_access_log_and_nobody_elses(service: Service, clinician: TestClient) -> None:
    for address in ("Observation/o", "Observation/p", "Observation", "Patient/b"):
        clinician.get(f"/fhir/{address}")
    anna = client(service, Role.PATIENT, "a")
    for address in ("AuditEvent?patient=a", "AuditEvent", "Patient/a/AuditEvent"):
        found = anna.get(f"/fhir/{address}").json()["entry"]
        assert len([e for e in found if e["resource"]["agent"][0]["role"] == [{"text": "clinician"}]]) == 2
        assert "Patient/b" not in str(found)
        assert "Observation/p" not in str(found)


def test_a_deletion_is_told_to_the_patient_whose_it_was(service: Service, clinician: TestClient) -> None:
    clinician.delete("/fhir/Observation/o")
    (event,) = told(service, "patient=Patient/a&subtype=delete")
    assert (event["action"], event["outcome"]) == ("D", "0")


@pytest.mark.parametrize(
    "query",
    [
        "action=D", "agent=Practitioner/7", "entity=Observation/o&action=D", "subtype=delete", "outcome=0&action=D", "type=rest&action=D",
        "date=2026-03-14&action=D",
    ],
)  # fmt: skip
def test_events_are_found_by_their_own_parameters(service: Service, query: str) -> None:
    lee = Actor.clinician("Practitioner/7")
    delete(context_of(service, lee), "Observation", "o")
    assert [event["action"] for event in told(service, query)] == ["D"]


def test_nobody_changes_an_event(service: Service, clinician: TestClient) -> None:
    clinician.get("/fhir/Observation/o")
    event = told(service, "action=R")[0]
    system = client(service, Role.SYSTEM)
    address = f"/fhir/AuditEvent/{event['id']}"
    assert system.put(address, json=event).status_code == 403
    assert system.delete(address).status_code == 403
    assert system.delete("/fhir/AuditEvent?action=R").status_code == 403
    assert system.get(address).json() == event


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET deed = ''",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM audit_chain",
    ],
)
def test_the_database_refuses_to_change_rows(service: Service, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), service.database.transaction() as connection:
        connection.execute(statement)


def tamper(service: Service, statement: str) -> None:
    with service.database.transaction() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement)


TAMPERED = {
    "UPDATE audit_log SET deed = replace(deed, 'read', 'vread') WHERE n = (SELECT n FROM audit_chain WHERE position = 4)": [4],
    "DELETE FROM audit_log WHERE n = (SELECT n FROM audit_chain WHERE position = 3)": [3],
    "DELETE FROM audit_log WHERE n IN (SELECT n FROM audit_chain WHERE position > 5)": [6],
    "DELETE FROM audit_chain WHERE position = 2": [2],
    "DELETE FROM audit_chain WHERE position > 5": [6],
    "UPDATE audit_chain c SET n = d.n FROM audit_chain d WHERE c.position IN (2, 4) AND d.position = 6 - c.position": [2, 4],
    "UPDATE audit_chain SET hash = 'x' WHERE position = 5": [5, 6],
}  # fmt: skip


@pytest.mark.parametrize("statement", list(TAMPERED))
@pytest.mark.parametrize("key", [b"", b"secret"])
def test_whatever_is_done_to_the_log_is_found_where_it_was_done(
    service: Service, clinician: TestClient, statement: str, key: bytes
) -> None:
    object.__setattr__(service.settings, "audit_key", key.decode())
    for _ in range(5):
        clinician.get("/fhir/Observation/o")
    telling.seal(service)
    with service.database.transaction() as connection:
        assert not list(faults(connection, key))
    tamper(service, "ALTER TABLE audit_chain DROP CONSTRAINT audit_chain_n_key")
    tamper(service, statement)
    with service.database.transaction() as connection:
        assert [fault.position for fault in faults(connection, key)] == TAMPERED[statement]


def test_a_tail_cut_off_everywhere_is_missed_by_the_head_kept_outside(
    service: Service, clinician: TestClient
) -> None:
    for _ in range(4):
        clinician.get("/fhir/Observation/o")
        telling.seal(service)
    with service.database.transaction() as connection:
        kept = head(connection)
    for table in ("audit_seal", "audit_chain"):
        tamper(service, f"DELETE FROM {table} WHERE position > 3")
    tamper(service, "DELETE FROM audit_log WHERE n NOT IN (SELECT n FROM audit_chain)")
    with service.database.transaction() as connection:
        assert not list(faults(connection, b""))
        assert [fault.position for fault in faults(connection, b"", kept)] == [kept.position]
        assert list(faults(connection, b"", Head(2, b"other")))


def test_a_chain_made_anew_without_the_key_is_found(service: Service, clinician: TestClient) -> None:
    clinician.get("/fhir/Observation/o")
    telling.seal(service)
    with service.database.transaction() as connection:
        assert list(faults(connection, b"the key"))


def test_rows_of_writers_at_the_same_time_are_all_sealed_once(
    service: Service, clinician: TestClient
) -> None:
    def work(number: int) -> None:
        clinician.get("/fhir/Observation/o")
        telling.seal(service) if number % 5 == 0 else clinician.post("/fhir/Observation", json=OBSERVATION)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    telling.seal(service)
    with service.database.transaction() as connection:
        count = connection.execute(
            "SELECT count(*), count(DISTINCT n), max(position) FROM audit_chain"
        ).fetchone()
        assert not list(faults(connection, b""))
    assert count == (len(rows(service)),) * 3


def test_the_command_says_what_it_found(
    service: Service, clinician: TestClient, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clinician.get("/fhir/Observation/o")
    command = ["audit", "verify", "--dsn", dsn, "--audit-head", str(tmp_path / "head.json")]
    assert main(command) == 0
    assert "ok: " in capsys.readouterr().out
    tamper(service, "DELETE FROM audit_log WHERE n = (SELECT n FROM audit_chain WHERE position = 1)")
    assert main(command) == 1
    assert "FAIL position 1" in capsys.readouterr().out


def test_a_role_for_serving_adds_to_the_log_and_cannot_change_it(service: Service, dsn: str) -> None:
    role = f"serving_{dsn.rpartition('test_')[2][:12]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN")
        try:
            assert main(["migrate", "--dsn", dsn, "--grant", role]) == 0
            with psycopg.connect(
                dsn, options="-c search_path=chartline,public", autocommit=True
            ) as connection:
                connection.execute(f"SET ROLE {role}")
                connection.execute("INSERT INTO audit_log (deed) VALUES ('x')")
                connection.execute("UPDATE resource SET version = version")
                for change in (
                    "UPDATE audit_log SET deed = 'y'",
                    "DELETE FROM audit_chain",
                    "TRUNCATE audit_log",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                        connection.execute(change)
        finally:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")

"""Clients that others wrote: fhirpy, with and without async, and fhirclient, on the running server.

https://github.com/beda-software/fhir-py  https://github.com/smart-on-fhir/client-py
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fhirclient import client as smart
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.serving import Running

LOINC = "http://loinc.org"


@pytest.fixture
def fhirpy(server: Running) -> Any:
    """A synchronous client of the server of this test."""
    return SyncFHIRClient(server.base)


def filled(client: Any) -> Any:
    """A patient, and five results on five days."""
    patient = client.resource(
        "Patient", name=[{"family": "Diaz", "given": ["Ana"]}], identifier=[{"value": "1"}]
    )
    patient.save()
    for day in range(1, 6):
        client.resource("Observation", **_result(patient.to_reference(), day)).save()
    return patient


def _result(subject: Any, day: int) -> dict[str, Any]:
    return {
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "718-7"}]},
        "subject": subject,
        "effectiveDateTime": f"2024-01-0{day}",
        "valueQuantity": {"value": 10 + day, "unit": "g/dL"},
    }


def test_fhirpy_creates_reads_updates_and_deletes(fhirpy: Any) -> None:
    patient = fhirpy.resource("Patient", name=[{"family": "Diaz"}])
    patient.save()
    assert patient["meta"]["versionId"] == "1"
    patient["active"] = True
    patient.save()
    assert patient["meta"]["versionId"] == "2"
    found = fhirpy.reference("Patient", patient.id).to_resource()
    assert found["active"] is True
    assert found.serialize() == patient.serialize()
    found.delete()
    with pytest.raises((ResourceNotFound, OperationOutcome)):
        fhirpy.resources("Patient").search(_id=patient.id).get()


def test_fhirpy_saves_single_fields_and_patches(fhirpy: Any) -> None:
    patient = filled(fhirpy)
    patient["gender"] = "female"
    patient.save(fields=["gender"])
    patient.patch(active=True)
    found = fhirpy.resources("Patient").search(_id=patient.id).get()
    assert (found["gender"], found["active"]) == ("female", True)


def test_fhirpy_searches_sorts_limits_and_counts(fhirpy: Any) -> None:
    patient = filled(fhirpy)
    results = fhirpy.resources("Observation").search(subject=patient.to_reference(), code=f"{LOINC}|718-7")
    assert results.count() == 5
    latest = results.sort("-date").limit(2).fetch()
    assert [one["effectiveDateTime"] for one in latest] == ["2024-01-05", "2024-01-04"]
    assert results.sort("date").first()["effectiveDateTime"] == "2024-01-01"
    assert fhirpy.resources("Observation").search(date__ge="2024-01-04").count() == 2
    assert fhirpy.resources("Patient").search(name="dia").get().id == patient.id


def test_fhirpy_fetches_all_pages_and_includes(fhirpy: Any) -> None:
    patient = filled(fhirpy)
    assert len(fhirpy.resources("Observation").limit(2).fetch_all()) == 5
    bundle = fhirpy.resources("Observation").include("Observation", "subject").limit(1).fetch_raw()
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == ["Observation", "Patient"]
    back = fhirpy.resources("Patient").search(_id=patient.id).revinclude("Observation", "subject").fetch_raw()
    assert len(back["entry"]) == 6


def test_fhirpy_writes_on_a_condition(fhirpy: Any) -> None:
    patient = filled(fhirpy)
    by_identifier = fhirpy.resources("Patient").search(identifier="1")
    kept, created = by_identifier.get_or_create(fhirpy.resource("Patient", identifier=[{"value": "1"}]))
    assert (kept.id, created) == (patient.id, False)
    changed, created = by_identifier.update(
        fhirpy.resource("Patient", identifier=[{"value": "1"}], active=True)
    )
    assert (changed.id, created, changed["active"]) == (patient.id, False, True)
    patched = by_identifier.patch(gender="female")
    assert patched["gender"] == "female"
    fhirpy.resource("Patient", identifier=[{"value": "1"}]).save()
    with pytest.raises(MultipleResourcesFound):
        by_identifier.update(fhirpy.resource("Patient", identifier=[{"value": "1"}]))


def test_fhirpy_shows_what_the_server_refuses(fhirpy: Any) -> None:
    with pytest.raises(OperationOutcome) as refused:
        fhirpy.resource("Patient", birthDate="yesterday").save()
    assert refused.value.resource["issue"][0]["expression"] == ["Patient.birthDate"]
    with pytest.raises(OperationOutcome):
        fhirpy.resources("Patient").search(colour="red").fetch()
    with pytest.raises(ResourceNotFound):
        fhirpy.reference("Patient", "never").to_resource()


def test_fhirpy_sends_bundles(fhirpy: Any) -> None:
    entry = {
        "request": {"method": "PUT", "url": "Patient/x"},
        "resource": {"resourceType": "Patient", "id": "x"},
    }
    found = fhirpy.resource("Bundle", type="transaction", entry=[entry])
    answer = fhirpy.execute("", method="post", data=found.serialize())
    assert answer["type"] == "transaction-response"
    assert fhirpy.reference("Patient", "x").to_resource().id == "x"


def test_fhirpy_works_the_same_with_async(server: Running) -> None:
    async def story() -> None:
        client: Any = AsyncFHIRClient(server.base)
        patient = client.resource("Patient", name=[{"family": "Diaz"}], identifier=[{"value": "1"}])
        await patient.save()
        results = [
            client.resource("Observation", **_result(patient.to_reference(), day)) for day in range(1, 6)
        ]
        await asyncio.gather(*(result.save() for result in results))
        search = client.resources("Observation").search(subject=patient.to_reference())
        assert await search.count() == 5
        assert len(await search.limit(2).fetch_all()) == 5
        latest = await search.sort("-date").first()
        assert latest is not None
        assert latest["effectiveDateTime"] == "2024-01-05"
        _, created = (
            await client.resources("Patient")
            .search(identifier="1")
            .get_or_create(client.resource("Patient", identifier=[{"value": "1"}]))
        )
        assert created is False
        await patient.patch(active=True)
        await patient.delete()
        assert await client.resources("Patient").count() == 0

    asyncio.run(story())


def test_fhirclient_reads_and_searches(server: Running, fhirpy: Any) -> None:
    patient = filled(fhirpy)
    connected = smart.FHIRClient(settings={"app_id": "test", "api_base": server.base})
    found = Patient.read(patient.id, connected.server)
    assert found.name[0].family == "Diaz"
    results = Observation.where({"subject": f"Patient/{patient.id}", "_sort": "-date"}).perform_resources(
        connected.server
    )
    assert [one.valueQuantity.value for one in results] == [15, 14, 13, 12, 11]
    created = Patient({"active": True}).create(connected.server)
    assert Patient.read(created["id"], connected.server).active is True

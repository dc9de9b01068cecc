"""A de-identified record tells nobody who it is of, holds together, and is R4: over Synthea and US Core's examples, and for made-up ones.

https://www.ecfr.gov/current/title-45/section-164.514 (b)(2)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.deidentify.names import TYPES
from fhir_server.deidentify.release import Release
from fhir_server.r4 import json
from fhir_server.r4.validate import validate
from tests.real_data import real_resources
from tests.unit.deidentify.telling import strings, telling, words

Json = dict[str, Any]
NOW = datetime(2026, 3, 14, tzinfo=UTC)
BUNDLES = 12


def resources(name: str) -> list[Json]:
    """What stands in the files; of Synthea a dozen patients."""
    files = islice(real_resources(name), BUNDLES if name == "synthea" else None)
    return [each for _, found in files for each in _unpacked(found)]


def _unpacked(found: Json) -> Iterator[Json]:
    if found.get("resourceType") == "Bundle":
        entries = [entry for entry in found.get("entry", ()) if "resource" in entry]
        text = json.encode([entry["resource"] for entry in entries])
        for resource, url in ((entry["resource"], entry.get("fullUrl", "")) for entry in entries):
            if url.startswith("urn:uuid:"):
                text = text.replace(url.encode(), f"{resource['resourceType']}/{resource['id']}".encode())
        yield from json.decode(text)
    else:
        yield found


def released(found: list[Json], key: str = "k", *, moves_dates: bool = False) -> tuple[list[Json], Release]:
    release = Release(key, NOW, moves_dates)
    for resource in found:
        if resource["resourceType"] in TYPES:
            release.learn(resource)
    return [made for resource in found if (made := release.of(resource)) is not None], release


@pytest.mark.parametrize("name", ["synthea", "us_core_examples"])
@pytest.mark.parametrize("moves_dates", [False, True])
def test_nothing_that_tells_who_somebody_is_is_left(name: str, moves_dates: bool) -> None:
    given = resources(name)
    made, release = released(given, moves_dates=moves_dates)
    # amounts may be 100 where a practitioner has the number 100: such short numbers are looked for among identifiers alone
    terms = {t.lower() for t in telling(given) if len(t) > 2 and not (t.isdigit() and len(t) < 5)}
    assert len(terms) > 20
    assert len(made) > 0.8 * len(given)
    assert terms & words(strings(made)) == set()
    assert set(telling(given)) & set(telling(made)) <= {""}
    assert sum(release.run.removed.values()) > len(given)


@pytest.mark.parametrize("name", ["synthea", "us_core_examples"])
def test_references_hold_together_and_ids_are_new(name: str) -> None:
    given = resources(name)
    made, release = released(given)
    before = {(r["resourceType"], r["id"]) for r in given if "id" in r}
    assert {r["id"] for r in made}.isdisjoint(logical_id for _, logical_id in before)
    kept = {f"{r['resourceType']}/{r['id']}" for r in made}
    exported = [
        r
        for r in given
        if release.run.pseudonyms.logical_id(r["resourceType"], r["id"]) in {m["id"] for m in made}
    ]
    pointed = {
        (kind, logical_id) for kind, _, logical_id in (text.partition("/") for text in references(exported))
    }
    expected = {f"{kind}/{release.run.pseudonyms.logical_id(kind, i)}" for kind, i in pointed & before}
    assert len(expected & kept) > 2
    assert expected & kept == set(references(made)) & kept


def references(element: Any) -> Iterator[str]:
    """All Reference.reference, but for those in extensions, which need not stay."""
    if isinstance(element, list):
        for each in element:
            yield from references(each)
    elif isinstance(element, dict):
        if isinstance(text := element.get("reference"), str):
            yield text
        for name, value in element.items():
            yield from () if name == "extension" else references(value)


@pytest.mark.parametrize("name", ["synthea", "us_core_examples", "r4_examples"])
@pytest.mark.parametrize("moves_dates", [False, True])
def test_what_goes_out_is_valid(name: str, moves_dates: bool) -> None:
    given = resources(name)
    made, release = released(given, moves_dates=moves_dates)
    assert [issue for each in made for issue in validate(each) if issue.severity == "error"] == []
    assert release.left_out.keys() <= {
        *(
            "Basic",
            "Binary",
            "CapabilityStatement",
            "Composition",
            "Consent",
            "Media",
            "Provenance",
            "Questionnaire",
        ),
        *{r["resourceType"] for r in given if r["resourceType"] not in CLINICAL},
    }


CLINICAL = (
    "Patient",
    "Observation",
    "Condition",
    "Encounter",
    "Procedure",
    "Immunization",
    "MedicationRequest",
    "DiagnosticReport",
)


def test_another_key_gives_other_pseudonyms_and_the_same_key_the_same() -> None:
    given = [patient(), {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}}]
    one, again, other = (released(given, key)[0] for key in ("k", "k", "l"))
    assert one == again
    assert one[0]["id"] != other[0]["id"]
    assert one[1]["subject"]["reference"] == f"Patient/{one[0]['id']}"


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", "id": "p", "gender": "female", **more}


@pytest.mark.parametrize(
    ("born", "kept"), [("1960-05-05", "1960"), ("1937-01-01", "1937"), ("1936-12-31", None), ("1890", None)]
)
def test_a_year_of_birth_stays_unless_it_tells_an_age_over_89(born: str, kept: str | None) -> None:
    assert released([patient(birthDate=born)])[0][0].get("birthDate") == kept


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("02139", "021"),
        ("02139-4307", "021"),
        ("03601", "000"),
        ("89301", "000"),
        ("0213", None),
        ("SW1A 1AA", None),
    ],
)
def test_a_zip_code_keeps_three_digits_where_enough_people_live(code: str, kept: str | None) -> None:
    (made,), _ = released(
        [patient(address=[{"line": ["1 A St"], "city": "B", "state": "MA", "postalCode": code}])]
    )
    assert made["address"] == [{"state": "MA", "postalCode": kept} if kept else {"state": "MA"}]


def test_of_an_address_abroad_only_the_country_stays() -> None:
    (made,), _ = released([patient(address=[{"state": "Bayern", "postalCode": "80331", "country": "DE"}])])
    assert made["address"] == [{"country": "DE"}]


@pytest.mark.parametrize(("age", "kept"), [(89, (89, None)), (90, (90, ">=")), (104, (90, ">="))])
def test_ages_over_89_are_one_group(age: int, kept: tuple[int, str | None]) -> None:
    onset = {"value": age, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
    given = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}, "onsetAge": onset}
    (made,), _ = released([given])
    assert (made["onsetAge"]["value"], made["onsetAge"].get("comparator")) == kept


def test_what_r4_needs_and_may_not_stay_is_masked() -> None:
    given = {
        "resourceType": "Communication",
        "id": "c",
        "status": "completed",
        "payload": [{"contentString": "Call Ann Zyxwood"}],
    }
    (made,), _ = released([given])
    assert made["payload"][0]["_contentString"]["extension"][0]["valueCode"] == "masked"
    assert "Zyxwood" not in str(made)


def test_an_extension_that_changes_the_meaning_keeps_its_resource_back() -> None:
    given = {"resourceType": "Condition", "id": "c", "subject": {}, "modifierExtension": [{"url": "urn:not"}]}
    made, release = released([given])
    assert (made, release.left_out) == ([], {"Condition": 1})


def test_a_display_with_somebodys_name_goes_and_its_code_stays() -> None:
    named = patient(name=[{"family": "Zyxwood"}])
    coding = {"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin of ZYXWOOD"}
    given = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"coding": [coding], "text": "Zyxwood"},
    }
    made, _ = released([named, given])
    assert made[1]["code"] == {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}


@given(
    st.dates(date(1940, 1, 1), date(2026, 1, 1)),
    st.dates(date(1940, 1, 1), date(2026, 1, 1)),
    st.text(min_size=1),
)
def test_moved_dates_of_one_patient_keep_their_distance(one: date, other: date, key: str) -> None:
    given = [
        {
            "resourceType": "Condition",
            "id": "c",
            "subject": {"reference": f"Patient/{who}"},
            "onsetDateTime": day.isoformat(),
        }
        for who, day in (("p", one), ("p", other))
    ]
    made, _ = released(given, key, moves_dates=True)
    moved = [date.fromisoformat(each["onsetDateTime"]) for each in made]
    assert moved[0] - moved[1] == one - other
    assert moved[0] != one


def test_what_names_two_patients_keeps_years_only() -> None:
    participant = [{"actor": {"reference": f"Patient/{who}"}, "status": "accepted"} for who in ("p", "q")]
    given = {
        "resourceType": "Appointment",
        "id": "a",
        "status": "booked",
        "created": "2025-03-02",
        "start": "2025-03-02T10:00:00Z",
        "end": "2025-03-02T10:20:00Z",
        "participant": participant,
    }
    (made,), _ = released([given], moves_dates=True)
    assert made["created"] == "2025"

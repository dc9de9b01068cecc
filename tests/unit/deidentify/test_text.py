"""Free text loses what tells who somebody is, however it is written, and keeps what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.deidentify.days import moved, offset
from fhir_server.deidentify.known import Known
from fhir_server.deidentify.text import scrub

LETTERS = "abcdefghijklmnopqrstuvwxyzéüñøß"
NAMES = st.text(LETTERS, min_size=3, max_size=10).map(str.capitalize)
NUMBERS = st.from_regex(r"[A-Z]{0,3}[0-9]{5,9}", fullmatch=True)
PHONES = st.from_regex(r"[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}", fullmatch=True)
AROUND = st.sampled_from([" ", "\n", ", ", " (", ") ", "'s ", "; ", "_", ". "])


def person(family: str, given: str, number: str, phone: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "name": [{"family": family, "given": [given]}],
        "identifier": [{"value": number}],
        "telecom": [{"system": "phone", "value": phone}],
    }


@given(NAMES, NAMES, NUMBERS, PHONES, AROUND, AROUND, st.sampled_from([str, str.upper, str.lower]))
def test_what_is_known_of_a_person_is_never_left(
    family: str, given: str, number: str, phone: str, before: str, after: str, written: Any
) -> None:
    known = Known.of([person(family, given, number, phone)])
    for term in (family, given, number, phone, phone.replace("-", ""), phone.replace("-", ". ")):
        text = f"seen{before}{written(term)}{after}today"
        assert written(term) not in scrub(text, known)


@given(st.text(max_size=60), NAMES)
def test_scrubbing_twice_takes_out_no_more(text: str, family: str) -> None:
    known = Known.of([{"name": [{"family": family}]}])
    once = scrub(f"{text} {family}", known)
    assert family not in once or family.lower() in ("name", "number")
    assert scrub(once, known).count("[") >= once.count("[")


@pytest.mark.parametrize(
    "text",
    [
        "Hemoglobin A1c/Hemoglobin.total in Blood",
        "120/80 mmHg, pulse 72",
        "Glucose 5.4 mmol/L (4.0-5.6)",
        "SARS-CoV-2 (COVID-19) RNA [Presence] in Respiratory specimen by NAA with probe detection",
        "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet",
        "MS Contin 15 mg",
        "Type 2 diabetes mellitus without complications, E11.9",
        "Patient aged 45 years, smoked 10 years",
        "titre 1:1280",
        "on 2025-03-02",
    ],
)
def test_clinical_words_and_numbers_stay(text: str) -> None:
    assert scrub(text, Known.of([person("Smith", "John", "MRN-12345", "617-555-0134")])) == text


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("call 617-555-0134 x", "555"),
        ("call (617) 555-0134", "555"),
        ("call +44 20 7946 0958", "7946"),
        ("write to a.b+c@example.co.uk", "example"),
        ("SSN 123-45-6789", "6789"),
        ("MRN: AB12345", "12345"),
        ("account number 4455667", "4455667"),
        ("policy #XK-99812", "99812"),
        ("see https://x.example/p?id=9", "example"),
        ("from 192.168.10.4", "192"),
        ("VIN 1HGCM82633A004352", "004352"),
        ("lives at 12 Old Mill Road, Boston", "Mill"),
        ("Cambridge, MA 02139", "02139"),
        ("a 93-year-old woman", "93"),
        ("aged 101 years", "101"),
        ("referred by Dr. Hart", "Hart"),
        ("device serial 99-ABC-123", "ABC"),
        ("licence no. D1234567", "1234567"),
        ("id d5d1b2a0-1111-4222-8333-444455556666", "4444"),
        ("number 123456789012", "123456789"),
    ],
)
def test_what_looks_like_an_identifier_goes_whoever_it_belongs_to(text: str, gone: str) -> None:
    assert gone not in scrub(text)


@given(st.dates(), st.dates(), st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9))
def test_days_between_two_dates_stay_the_same(one: Any, other: Any, key: str, patient: str) -> None:
    days = offset(key, patient)
    assert -365 <= days <= -1
    try:
        a, b = moved(one.isoformat(), days), moved(other.isoformat(), days)
    except ValueError:
        return
    assert type(one).fromisoformat(a) - type(one).fromisoformat(b) == one - other


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2025-03-02", "2025-02-20"),
        ("2025-03", "2025-02"),
        ("2025", "2024"),
        ("2025-03-02T10:11:12.5-05:00", "2025-02-20T10:11:12.5-05:00"),
    ],
)
def test_a_moved_date_keeps_its_precision_and_its_time(given: str, expected: str) -> None:
    assert moved(given, -10) == expected


def test_without_a_key_nothing_is_moved() -> None:
    with pytest.raises(ValueError, match="secret key"):
        offset("", "ann")

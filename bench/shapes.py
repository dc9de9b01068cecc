"""The shapes of queries that `bench.searching` asks, each with places for what a store holds."""

from __future__ import annotations

from dataclasses import dataclass

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


@dataclass(frozen=True, slots=True)
class Shape:
    """`path` below /fhir with `{patient}`, `{encounter}` and the like; `reach` is the p50 in ms to reach with one client, None for 250."""

    name: str
    path: str
    reach: float | None = None


SHAPES = (
    Shape("read", "Observation/{observation}"),
    Shape(
        "token and patient, newest first",
        f"Observation?patient={{patient}}&code={LOINC}|8302-2&_sort=-date",
        5,
    ),
    Shape(
        "category and patient",
        f"Observation?patient={{patient}}&category={CATEGORY}|laboratory&_sort=-date",
        5,
    ),
    Shape("token, newest 20 of all patients", f"Observation?code={LOINC}|8302-2&_sort=-date&_count=20"),
    Shape("token and a year", f"Observation?code={LOINC}|4548-4&date=ge2018-01-01&date=lt2019-01-01"),
    Shape(
        "token of several systems",
        f"Observation?patient={{patient}}&code={LOINC}|8302-2,29463-7,{LOINC}|39156-5",
        5,
    ),
    Shape("token, not", f"Observation?patient={{patient}}&code:not={LOINC}|8302-2&_count=20"),
    Shape("composite, code and value", f"Observation?code-value-quantity={LOINC}|4548-4$gt8", 6),
    Shape(
        "composite of components",
        f"Observation?component-code-value-quantity={LOINC}|8480-6$gt150|{UCUM}|mm[Hg]",
        6,
    ),
    Shape("quantity", f"Observation?patient={{patient}}&value-quantity=gt100|{UCUM}|mg/dL"),
    Shape("condition by code", f"Condition?code={SNOMED}|44054006&_count=20"),
    Shape("condition by patient and status", "Condition?patient={patient}&clinical-status=active", 5),
    Shape("string prefix", "Patient?name=al&_count=20"),
    Shape("string exact and birth date", "Patient?family:exact={family}&birthdate=ge1940"),
    Shape("identifier", "Patient?identifier={identifier}"),
    Shape(
        "birth dates and gender, sorted",
        "Patient?birthdate=ge1950&birthdate=lt1980&gender=female&_sort=-birthdate&_count=20",
    ),
    Shape("chain by identifier", "Observation?patient.identifier={identifier}&_count=20", 15),
    Shape(
        "chain by name", f"Observation?subject:Patient.family={{family}}&code={LOINC}|8302-2&_count=20", 15
    ),
    Shape("_has with a code", f"Patient?_has:Condition:patient:code={SNOMED}|44054006&_count=20", 15),
    Shape(
        "_has with a value",
        f"Patient?_has:Observation:patient:code-value-quantity={LOINC}|4548-4$gt8&gender=male&_count=20",
        15,
    ),
    Shape(
        "_include", "MedicationRequest?patient={patient}&_include=MedicationRequest:encounter&_count=20", 15
    ),
    Shape("_revinclude", "Encounter?patient={patient}&_revinclude=Observation:encounter&_count=20", 15),
    Shape("compartment", f"Patient/{{patient}}/Observation?code={LOINC}|8302-2", 5),
    Shape("encounters of a month", "Encounter?date=ge2018-03-01&date=lt2018-04-01&_count=20"),
    Shape("last updated", "Observation?_lastUpdated=ge2020-01-01&_sort=-_lastUpdated&_count=20"),
    Shape("exact total", f"Condition?code={SNOMED}|59621000&_total=accurate&_count=20"),
    Shape("$everything, 1,000 resources", "Patient/{patient}/$everything?_count=1000", 25),
)

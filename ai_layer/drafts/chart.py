"""The part of a record that the checks look at, read under an Access.

A compartment also holds what the patient only vouched for or fetched for somebody else, so each resource is asked whose it is.
https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from psycopg import Connection

from ai_layer.drafts.checks.reading import plain, target
from ai_layer.drafts.checks.record import RecordView
from fhir_server.access.decide import Access
from fhir_server.interactions.context import Context
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.r4.definitions import TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.store import read as store
from fhir_server.store.bodies import decompress
from terminology.safety import monitoring

Json = dict[str, Any]
Keep = Callable[[Json], bool]

FIELDS = {
    "MedicationRequest": "orders",
    "MedicationStatement": "statements",
    "MedicationDispense": "dispenses",
    "AllergyIntolerance": "allergies",
    "Condition": "conditions",
    "Encounter": "encounters",
    "Observation": "observations",
}
"""The resource types that a refill is checked against, and where they stand in a RecordView."""
WHOLE = tuple(kind for kind in FIELDS if kind != "Observation")

_RECORD = """
SELECT r.body FROM compartment c JOIN resource r ON r.rid = c.rid
WHERE c.patient = (SELECT rid FROM resource WHERE type = %s AND id = %s) AND r.body IS NOT NULL AND ({access})
  AND (r.type = ANY(%s) OR (r.type = %s AND r.rid IN (SELECT t.rid FROM token_index t WHERE t.rid = r.rid AND t.code = ANY(%s))))
"""
_NAMED = """
SELECT r.body FROM resource r
WHERE r.type = %s AND r.id = ANY(%s) AND r.body IS NOT NULL AND ({access})
"""


def record_view(
    context: Context, access: Access, order: Json, patient_id: str, codes: Sequence[str], keep: Keep
) -> RecordView:
    """The snapshot that the order is checked against; Observations of these codes; what `keep` refuses stays out and is noted."""
    assert context.connection is not None
    found: dict[str, list[Json]] = {name: [] for name in FIELDS.values()}
    withheld = set()
    for resource in _record(context.connection, access, patient_id, codes):
        if _owner(resource) != f"Patient/{patient_id}":
            continue
        if keep(resource):
            found[FIELDS[resource["resourceType"]]].append(resource)
        else:
            withheld.add(resource["resourceType"])
    parts = {name: tuple(sorted(each, key=plain)) for name, each in found.items()}
    patient = named(context.connection, access, "Patient", [patient_id])
    users = (order, *parts["orders"], *parts["statements"], *parts["dispenses"])
    return RecordView(
        context.now(),
        order,
        next(iter(patient), None),
        medications=medications(context.connection, access, users),
        withheld=frozenset(withheld),
        **parts,
    )


def followed_codes(ingredients: Iterable[str]) -> list[str]:
    """LOINC codes of the results that these ingredients call for."""
    return [code for rule in monitoring(ingredients) for code in rule.codes]


def medications(connection: Connection[Any], access: Access, users: Iterable[Json]) -> dict[str, Json]:
    """The Medication resources that these refer to, by `Medication/id`."""
    names = {target(each.get("medicationReference")) for each in users}
    ids = [name.partition("/")[2] for name in names if name.startswith("Medication/")]
    return {plain(each): each for each in named(connection, access, "Medication", ids)} if ids else {}


def named(connection: Connection[Any], access: Access, kind: str, ids: Sequence[str]) -> list[Json]:
    """The current versions of those that are there. Index: resource_identity."""
    allowed = access.on("r")
    values = (TYPE_CODE[kind], list(ids), *allowed.values)
    rows = connection.execute(_NAMED.format(access=allowed.text), values).fetchall()
    return [json.decode_object(decompress(body)) for (body,) in rows]


def one(connection: Connection[Any], access: Access, kind: str, logical_id: str) -> Json:
    """The current version. Raises NOT_FOUND, GONE."""
    found = store.current(connection, access, kind, logical_id)
    if found is None:
        raise FhirError(Problem.NOT_FOUND, f"There is no {kind}/{logical_id}.")
    if found.body is None:
        raise FhirError(Problem.GONE, f"{kind}/{logical_id} was deleted.")
    return json.decode_object(found.body)


def locked(connection: Connection[Any], access: Access, kind: str, logical_id: str) -> Json:
    """The same, its row locked to the end of the transaction: who comes second sees what the first one did."""
    lock(connection, kind, logical_id)
    return one(connection, access, kind, logical_id)


def still_there(connection: Connection[Any], access: Access, named: str, what: str) -> Json:
    """The same by `Type/id`, for what a draft rests on. Raises CONFLICT where it has gone."""
    kind, _, logical_id = named.partition("/")
    try:
        return locked(connection, access, kind, logical_id)
    except FhirError:
        raise FhirError(Problem.CONFLICT, f"The {what} is no longer there.") from None


def lock(connection: Connection[Any], kind: str, logical_id: str) -> None:
    """Nobody else writes it before this transaction ends."""
    query = "SELECT FROM resource WHERE type = %s AND id = %s FOR UPDATE"
    connection.execute(query, (TYPE_CODE[kind], logical_id))


def found(context: Context, kind: str, *pairs: tuple[str, str]) -> list[Json]:
    """A search under the context's Access: its resources, those that it includes among them."""
    bundle = json.decode_object(search(context, kind, pairs).body or b"{}")
    return [entry["resource"] for entry in bundle.get("entry", ())]


def _record(
    connection: Connection[Any], access: Access, patient_id: str, codes: Sequence[str]
) -> Iterable[Json]:
    allowed = access.on("r")
    whole = [TYPE_CODE[kind] for kind in WHOLE]
    values = (TYPE_CODE["Patient"], patient_id, *allowed.values, whole, TYPE_CODE["Observation"], list(codes))
    for (body,) in connection.execute(_RECORD.format(access=allowed.text), values).fetchall():
        yield json.decode_object(decompress(body))


def _owner(resource: Json) -> str:
    return target(resource.get("subject")) or target(resource.get("patient"))

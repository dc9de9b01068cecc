"""Full text follows what is stored. https://hl7.org/fhir/R4/search.html#content"""

from __future__ import annotations

from fhir_server.interactions.search import search
from fhir_server.search.words import key, texts, vector
from tests.service import context_of, ids, put, reindexed, service_on


def test_reindexing_writes_the_full_text_again(dsn: str) -> None:
    service = service_on(dsn)
    context = context_of(service)
    put(context, {"Condition/c": {"code": {"text": "Sprain of ankle"}}})
    with context.connect() as connection:
        connection.execute("UPDATE resource SET content = NULL")
    assert ids(search(context, "Condition", [("_content", "ankle")]).body) == []
    assert reindexed(context) == 1
    assert ids(search(context, "Condition", [("_content", "ankle")]).body) == ["c"]
    service.database.close()


def test_resources_that_say_the_same_share_one_row(dsn: str) -> None:
    service = service_on(dsn)
    context = context_of(service)
    same = {"code": {"text": "Sprain"}, "onsetDateTime": "2020-01-01"}
    put(context, {f"Condition/c{n}": same | {"subject": {"reference": f"Patient/{n}"}} for n in range(20)})
    with context.connect() as connection:
        rows = connection.execute("SELECT count(*) FROM words").fetchone()
    assert rows == (1,)
    assert len(ids(search(context, "Condition", [("_content", "sprain")]).body)) == 20
    service.database.close()


def test_texts_are_found_in_members_lists_and_behind_escapes() -> None:
    body = rb'{"resourceType":"Patient","id":"x","name":[{"family":"O\"Neill","given":["Ann","Mary Jo"]}],"birthDate":"1970-01-01"}'
    assert {b'O\\"Neill', b"Ann", b"Mary Jo"} <= set(texts(body))
    assert b"1970-01-01" not in texts(body)
    plain = body.replace(rb"\"", b"'")
    assert {b"O'Neill", b"Ann", b"Mary Jo"} <= set(texts(plain))


def test_a_vector_leaves_a_gap_between_texts() -> None:
    assert vector([b"bone scan", b"liver"]) == "'bone':1 'scan':2 'liver':5"
    assert key([]) is None

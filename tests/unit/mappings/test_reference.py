"""The walk over references copies only what changes (mappings.reference)."""

from __future__ import annotations

from typing import Any

from mappings.reference import references, rewrite


def test_what_does_not_change_is_the_same_object() -> None:
    untouched = {"a": [{"reference": "Patient/1"}], "text": {"div": "<div>no link, but src</div>"}}
    node: dict[str, Any] = {"one": untouched, "two": {"reference": "Patient/2"}}
    found = rewrite(node, lambda reference: {"Patient/2": "Patient/x"}.get(reference, reference))
    assert found == {"one": untouched, "two": {"reference": "Patient/x"}}
    assert node["two"] == {"reference": "Patient/2"}
    assert found["one"]["a"] is untouched["a"]


def test_references_come_in_document_order() -> None:
    node = {
        "subject": {"reference": "a"},
        "performer": [{"reference": "b"}, {"reference": {"reference": "c"}}],
    }
    assert list(references(node)) == ["a", "b", "c"]


def test_a_url_follows_only_where_it_is_a_binary() -> None:
    node = {"url": "https://h/fhir/ValueSet/1", "content": [{"attachment": {"url": "Binary/1"}}]}
    assert rewrite(node, lambda _: "x") == {**node, "content": [{"attachment": {"url": "x"}}]}

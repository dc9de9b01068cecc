"""The refill cases in fixtures/cases/drafts: what the record holds, and what each of the twelve checks says of it.

A case: `it` (a sentence), `given` (over the file's and record.yaml's), `expect` (each check that does not pass), `cites` (whole lists).
"""

from __future__ import annotations

from typing import Any

import pytest

from ai_layer.drafts.checks import REFILL_CHECKS, refill_checks
from tests.unit.drafts.records import CASES, merged, read, view

Case = dict[str, Any]
PLAIN = read("record.yaml")
FILES = sorted(path.name for path in CASES.glob("*.yaml") if path.name not in ("record.yaml", "visit.yaml"))


def cases() -> list[Any]:
    documents = ((name.removesuffix(".yaml"), read(name)) for name in FILES)
    return [
        pytest.param(document.get("given", {}), case, id=f"{name}: {case['it']}")
        for name, document in documents
        for case in document["cases"]
    ]


@pytest.mark.parametrize(("given", "case"), cases())
def test_refill_cases(given: Case, case: Case) -> None:
    checks = refill_checks(view(merged(PLAIN["given"], given, case.get("given", {}))))
    found = {check.name: str(check.result) for check in checks}
    assert found == PLAIN["expect"] | case.get("expect", {}), [f"{c.name}: {c.text}" for c in checks]
    citations = {
        check.name: sorted(each.partition("/_history/")[0] for each in check.citations) for check in checks
    }
    for name, wanted in case.get("cites", {}).items():
        assert citations[name] == sorted(wanted)


def test_there_are_enough_cases_and_each_result_of_each_check_that_can_be() -> None:
    seen = {(name, result) for name, result in PLAIN["expect"].items()}
    for param in cases():
        seen |= set(param.values[1].get("expect", {}).items())
    assert len(cases()) >= 150
    for name in REFILL_CHECKS:
        assert {result for check, result in seen if check == name} >= {"pass"}
        assert any(check == name and result != "pass" for check, result in seen)


@pytest.mark.parametrize(("given", "case"), cases())
def test_every_result_rests_on_a_version(given: Case, case: Case) -> None:
    for check in refill_checks(view(merged(PLAIN["given"], given, case.get("given", {})))):
        assert check.citations
        assert all(each.endswith("/_history/1") for each in check.citations)
        assert check.text.endswith(".")

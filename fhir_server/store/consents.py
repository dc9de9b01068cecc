"""Consents in the index: their provisions as rows, written and taken away in the transaction of the Consent itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import Connection

from fhir_server.access.consent_index import EARLIEST, LATEST, Rule, rules
from fhir_server.access.consent_source import indexed
from fhir_server.store.hooks import Change

_FORGET = "DELETE FROM consent_rule WHERE consent = ANY(%s)"
_ADD = f"""
INSERT INTO consent_rule (consent, node, parent, patient, permits, reference, valid_from, valid_to, purposes, actors, types, labels,
    codes, rids, data_from, data_to, sources, source_params, source_types) VALUES ({", ".join(["%s"] * 19)})
"""


class ConsentRules:
    """The hook of every Service."""

    tables: tuple[str, ...] = ()

    def written(self, connection: Connection[Any], changes: Sequence[Change]) -> None:
        """Replace the rows of the Consents among the changes."""
        consents = [change for change in changes if change.type == "Consent"]
        if not consents:
            return
        connection.execute(_FORGET, ([change.rid for change in consents],))
        added = [row for change in consents for row in _rows(change)]
        if added:
            with connection.cursor() as cursor:
                cursor.executemany(_ADD, added)


def _rows(change: Change) -> Iterator[tuple[Any, ...]]:
    if change.resource is None or len(change.patients) != 1:
        return
    reference = f"Consent/{change.id}/_history/{change.version}"
    for rule in rules(change.resource):
        yield (
            change.rid,
            rule.node,
            rule.parent,
            change.patients[0],
            rule.permits,
            reference,
            *_values(rule),
        )


def _values(rule: Rule) -> tuple[Any, ...]:
    lo, hi = rule.valid
    sets = [None if each is None else sorted(each) for each in (rule.purposes, rule.actors, rule.types)]
    named = [None if each is None else sorted(each) for each in (rule.codes, rule.instances)]
    data = rule.data or (None, None)
    told = (None, None) if rule.sources is None else map(list, indexed())
    sources = None if rule.sources is None else sorted(rule.sources)
    return (max(lo, EARLIEST), min(hi, LATEST), *sets, rule.labels, *named, *data, sources, *told)

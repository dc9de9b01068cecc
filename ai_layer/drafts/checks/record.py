"""RecordView: the part of a record that the checks look at, as a snapshot. Resources are as stored, each with its version.

Nothing in here reads anything: who makes a view has decided what may stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ai_layer.drafts.checks.reading import elements, plain, target

Json = dict[str, Any]

ORDERS = frozenset(["order", "original-order", "reflex-order", "filler-order", "instance-order"])
"""Intents of what has been ordered. https://hl7.org/fhir/R4/valueset-medicationrequest-intent.html"""


@dataclass(frozen=True, slots=True)
class RecordView:
    """`order` is what is to be renewed; `medications` are the Medication resources that orders refer to, by `Medication/id`.

    `withheld`: types of which a Consent leaves something out; a check that reads them cannot pass.
    """

    now: datetime
    order: Json
    patient: Json | None = None
    orders: tuple[Json, ...] = ()
    statements: tuple[Json, ...] = ()
    dispenses: tuple[Json, ...] = ()
    allergies: tuple[Json, ...] = ()
    conditions: tuple[Json, ...] = ()
    observations: tuple[Json, ...] = ()
    encounters: tuple[Json, ...] = ()
    medications: Mapping[str, Json] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()

    def taken_with(self) -> list[Json]:
        """What else the patient takes: other active orders and statements, but for those that the order continues."""
        own = self.chain()
        orders = (each for each in self.orders if is_active_order(each) and plain(each) not in own)
        stated = (each for each in self.statements if each.get("status") in ("active", "intended"))
        return [*orders, *(each for each in stated if not based_on(each) & own)]

    def chain(self) -> frozenset[str]:
        """The order and those before it: it renews them, so they are the same therapy."""
        known = {plain(each): each for each in (*self.orders, self.order)}
        found: set[str] = set()
        waiting = [plain(self.order)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += before(known[name]) if name in known else ()
        return frozenset(found)

    def renewals(self) -> list[Json]:
        """Active orders that renew this one already."""
        own = plain(self.order)
        active = (each for each in self.orders if is_active_order(each))
        return [each for each in active if target(each.get("priorPrescription")) == own]


def is_active_order(resource: Json) -> bool:
    """Ordered, and in force."""
    return resource.get("status") == "active" and resource.get("intent") in ORDERS


def before(order: Json) -> Iterator[str]:
    """What an order continues: the prescription before it, and the proposals that it is based on."""
    names = (order.get("priorPrescription"), *elements(order, "basedOn"))
    return (name for each in names if (name := target(each)))


def based_on(statement: Json) -> frozenset[str]:
    """The orders that a MedicationStatement speaks of."""
    named = (*elements(statement, "basedOn"), *elements(statement, "derivedFrom"))
    return frozenset(target(each) for each in named)

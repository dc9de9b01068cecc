"""The few forms that most of R4's invariants have, as functions from element names to a Rule.

A name such as `value[x]` stands for the choice, whatever its type. https://hl7.org/fhir/R4/elementdefinition.html#invariant
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from fhir_server.r4.datatypes import parse_instant_or_partial

Object = dict[str, Any]
Holds = Callable[[Object], bool]

UCUM = "http://unitsofmeasure.org"


class Rule(NamedTuple):
    """Whether an object keeps the rule, and the rule in words."""

    holds: Holds
    text: str


def has(name: str) -> Holds:
    """Whether the element is there, as a value or as its extensions alone."""
    twin = f"_{name}"
    if not name.endswith("[x]"):
        return lambda value: name in value or twin in value
    stem = name.removesuffix("[x]")
    end = len(stem)
    return lambda value: any(
        k.lstrip("_").startswith(stem) and k.lstrip("_")[end : end + 1].isupper() for k in value
    )


def any_of(*names: str) -> Rule:
    """At least one of them."""
    found = [has(name) for name in names]
    return Rule(lambda value: any(is_there(value) for is_there in found), f"There is {' or '.join(names)}.")


def none_of(*names: str) -> Rule:
    """Not one of them."""
    found = [has(name) for name in names]
    return Rule(
        lambda value: not any(is_there(value) for is_there in found), f"There is no {' and no '.join(names)}."
    )


def one_of(*names: str) -> Rule:
    """Exactly one of them."""
    found = [has(name) for name in names]
    return Rule(
        lambda value: sum(is_there(value) for is_there in found) == 1,
        f"There is either {' or '.join(names)}.",
    )


def not_both(first: str, second: str) -> Rule:
    """One of the two at most."""
    one, other = has(first), has(second)
    return Rule(
        lambda value: not (one(value) and other(value)), f"{first} and {second} do not stand together."
    )


def both_or_none(first: str, second: str) -> Rule:
    """The two together, or neither."""
    one, other = has(first), has(second)
    return Rule(lambda value: one(value) == other(value), f"{first} and {second} stand together.")


def needs(name: str, *others: str) -> Rule:
    """The first only together with all the others."""
    one, rest = has(name), [has(other) for other in others]
    text = f"{name} stands only together with {' and '.join(others)}."
    if len(rest) == 1:
        other = rest[0]
        return Rule(lambda value: not one(value) or other(value), text)
    return Rule(lambda value: not one(value) or all(is_there(value) for is_there in rest), text)


def when(name: str, codes: str | bool, rule: Rule) -> Rule:
    """The rule, where the element has one of the values (codes with blanks between them)."""
    wanted = set(codes.split()) if isinstance(codes, str) else {codes}
    shown = codes.replace(" ", " or ") if isinstance(codes, str) else str(codes).lower()
    return Rule(
        lambda value: value.get(name) not in wanted or rule.holds(value),
        f"Where {name} is {shown}: {rule.text}",
    )


def unless(name: str, codes: str | bool, rule: Rule) -> Rule:
    """The rule, where the element has none of the values."""
    wanted = set(codes.split()) if isinstance(codes, str) else {codes}
    shown = codes.replace(" ", " or ") if isinstance(codes, str) else str(codes).lower()
    return Rule(
        lambda value: value.get(name) in wanted or rule.holds(value), f"Unless {name} is {shown}: {rule.text}"
    )


def each(name: str, rule: Rule) -> Rule:
    """The rule, for each item of the element."""
    return Rule(lambda value: all(map(rule.holds, items(value, name))), f"In each {name}: {rule.text}")


def all_of(*rules: Rule) -> Rule:
    """Every one of the rules."""
    return Rule(lambda value: all(rule.holds(value) for rule in rules), " ".join(rule.text for rule in rules))


def distinct(name: str, *members: str) -> Rule:
    """No two items of the element with the same members."""

    def holds(value: Object) -> bool:
        found = [
            tuple(str(item.get(member)) for member in members)
            for item in items(value, name)
            if members[0] in item
        ]
        return len(found) == len(set(found))

    return Rule(holds, f"No two {name} have the same {' and '.join(members)}.")


def items(value: Object, name: str) -> list[Object]:
    """The objects of a repeating element."""
    return [item for item in value.get(name) or () if isinstance(item, dict)]


def codings(concept: Any) -> list[Object]:
    """The codings of a CodeableConcept, or of several."""
    if isinstance(concept, list):
        return [coding for one in concept for coding in codings(one)]
    return items(concept, "coding") if isinstance(concept, dict) else []


def is_coded(concept: Any, system: str, codes: Collection[object]) -> bool:
    """Whether a coding of the system is one of the codes."""
    return any(coding.get("system") == system and coding.get("code") in codes for coding in codings(concept))


def is_after(first: Any, second: Any) -> bool:
    """Whether a date is surely later than another: compared as far as both are precise, as FHIRPath does."""
    if not isinstance(first, str) or not isinstance(second, str):
        return False
    size = min(len(first), len(second))
    if size > 10 and first[19:] != second[19:]:
        return parse_instant_or_partial(first).lo > parse_instant_or_partial(second).lo
    return first[:size] > second[:size]

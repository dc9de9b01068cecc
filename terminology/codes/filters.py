"""The filters of a compose, over a code system in memory: one row an operator.

`concept` and `code` name the code itself, `parent` and `child` the hierarchy; any other name is a property of the concept.
https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from terminology.codes.concept import CannotTell, Concept, Filter

TEXT = "$text"
"""An operator of our own: the words of a client's text filter, carried out where the codes stand."""
OF_CODE = ("concept", "code")
MOST_LETTERS = 200
"""Of a regular expression."""
_REPEATED_GROUP = re.compile(r"[)\]][*+?]*[*+{].*[)][*+{]|[*+}][^(]*[)][*+{]")
"""A repetition inside a repetition: such a pattern can take forever."""


class Tree(Protocol):
    """What filters ask of a code system."""

    url: str
    concepts: dict[str, Concept]

    def above(self, code: str) -> list[str]: ...
    def all_below(self, code: str) -> frozenset[str]: ...
    def children(self, code: str) -> list[str]: ...


Test = Callable[[Concept], bool]


def passes(tree: Tree, each: Filter, concepts: Iterable[Concept]) -> list[Concept]:
    """Those that pass. Raises CannotTell for an operator or a pattern that cannot be carried out."""
    make = _TESTS.get(each.op)
    if make is None:
        known = ", ".join(sorted(_TESTS.keys() - {TEXT}))
        raise CannotTell("not-supported", f"The filter operator {each.op} is not one of {known}.")
    test = make(tree, each)
    return [concept for concept in concepts if test(concept)]


def pattern_of(text: str) -> re.Pattern[str]:
    """The regular expression. Raises CannotTell for one that is not well-formed, or could run forever."""
    if len(text) > MOST_LETTERS or _REPEATED_GROUP.search(text):
        raise CannotTell(
            "not-supported", "A filter's regular expression is too long, or repeats what repeats."
        )
    try:
        return re.compile(text)
    except re.error:
        raise CannotTell("invalid", "A filter's regular expression is not well-formed.") from None


def listed(value: str) -> frozenset[str]:
    """The codes of a comma-separated list."""
    return frozenset(part.strip() for part in value.split(","))


def values_of(tree: Tree, concept: Concept, name: str) -> list[str]:
    """What the concept has under this name."""
    plain = {"concept": concept.code, "code": concept.code, "display": concept.display}
    if name in plain:
        return [plain[name]] if plain[name] else []
    if name == "definition":
        return [concept.definition] if concept.definition else []
    if name == "parent":
        return list(concept.parents)
    if name == "child":
        return tree.children(concept.code)
    return [_text(p) for p in concept.properties if p.get("code") == name]


def _text(found: dict[str, Any]) -> str:
    value = next((v for k, v in found.items() if k.startswith("value")), "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _is(tree: Tree, each: Filter) -> Test:
    return lambda concept: each.value in values_of(tree, concept, each.property)


def says(concept: Concept, text: str) -> bool:
    """Each word begins a word of one of its names, or is its code."""
    wanted = words(text)
    if all(word == concept.code.lower() for word in wanted):
        return True
    return any(_all_begin(wanted, words(name)) for name in concept.names() if name)


def words(text: str) -> list[str]:
    """Lower case, without signs."""
    return _WORD.findall(text.lower())


def _all_begin(wanted: list[str], found: list[str]) -> bool:
    return all(any(each.startswith(word) for each in found) for word in wanted)


_WORD = re.compile(r"[^\W_]+(?:\.\d+)*")


def _says(tree: Tree, each: Filter) -> Test:
    return lambda concept: says(concept, each.value)


def _in(tree: Tree, each: Filter) -> Test:
    wanted = listed(each.value)
    return lambda concept: not wanted.isdisjoint(values_of(tree, concept, each.property))


def _regex(tree: Tree, each: Filter) -> Test:
    match = pattern_of(each.value).fullmatch
    return lambda concept: any(map(match, values_of(tree, concept, each.property)))


def _exists(tree: Tree, each: Filter) -> Test:
    wanted = each.value == "true"
    return lambda concept: bool(values_of(tree, concept, each.property)) is wanted


def _is_a(tree: Tree, each: Filter) -> Test:
    inside = _below(tree, each)
    return lambda concept: concept.code == each.value or concept.code in inside


def _descendent_of(tree: Tree, each: Filter) -> Test:
    inside = _below(tree, each)
    return lambda concept: concept.code in inside


def _generalizes(tree: Tree, each: Filter) -> Test:
    over = {each.value, *tree.above(each.value)}
    return lambda concept: concept.code in over


def _below(tree: Tree, each: Filter) -> frozenset[str]:
    if each.property not in OF_CODE:
        raise CannotTell(
            "not-supported", f"The filter {each.op} is about concept, not about {each.property}."
        )
    return tree.all_below(each.value)


def _not(make: Callable[[Tree, Filter], Test]) -> Callable[[Tree, Filter], Test]:
    def made(tree: Tree, each: Filter) -> Test:
        test = make(tree, each)
        return lambda concept: not test(concept)

    return made


_TESTS: dict[str, Callable[[Tree, Filter], Test]] = {
    "=": _is,
    "in": _in,
    "not-in": _not(_in),
    "regex": _regex,
    "exists": _exists,
    "is-a": _is_a,
    "is-not-a": _not(_is_a),
    "descendent-of": _descendent_of,
    "generalizes": _generalizes,
    TEXT: _says,
}

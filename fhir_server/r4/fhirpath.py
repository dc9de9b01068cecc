"""FHIRPath of search expressions, compiled once to Python functions.

R4's search parameters use paths, unions, `as`, `is`, `where`, `ofType`, `exists`, `resolve` and `extension`; that subset runs here
at the speed of plain code. Anything else is refused by name (ExpressionError), so that a parameter is never indexed in part.
http://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/search.html#paths
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_server.r4.definitions import choice_stems

Values = list[Any]
Step = Callable[[Values, Any], Values]
"""From the values so far, and the whole resource, to the next values."""

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_%$][A-Za-z0-9_\-]*|`[^`]+`)|(?P<symbol>!=|<=|>=|[().,|=\[\]<>+]))"
)


class ExpressionError(ValueError):
    """The expression uses something that search expressions of R4 do not."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """A compiled expression. `keys`: the members of the resource that it starts from (with [x]: the stem); empty = any.

    `run` starts from a resource, `within` from an element of one, which %resource then is.
    """

    run: Callable[[Any], Values]
    keys: frozenset[str]
    within: Callable[[Any, Any], Values]


def compile_expression(expression: str, base: str = "") -> Extractor:
    """Compile; `base` is the resource type (or nothing for a component's expression, which starts at its element)."""
    parser = _Parser(_tokens(expression), base)
    step = parser.union()
    parser.expect_end()
    return Extractor(
        lambda resource: step([resource], resource),
        frozenset() if parser.says_truth else frozenset(parser.keys),
        lambda element, resource: step([element], resource),
    )


def branches(expression: str) -> list[str]:
    """The parts of a top-level union, in order."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(expression):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            parts.append(expression[start:at].strip())
            start = at + 1
    return [*parts, expression[start:].strip()]


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"cannot read {text[at : at + 20]!r} in {expression!r}")
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        at = match.end()
    return found


class _Parser:
    """Recursive descent; each method returns a Step. `says_truth`: true or false even where the members are missing."""

    def __init__(self, tokens: list[tuple[str, str]], base: str) -> None:
        self.tokens, self.at, self.base = tokens, 0, base
        self.keys: set[str] = set()
        self.says_truth = False
        self.depth = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        found = self.peek()
        if not found or (expected and found != expected):
            raise ExpressionError(f"expected {expected or 'more'}, found {found or 'the end'}")
        self.at += 1
        return found

    def expect_end(self) -> None:
        if self.at != len(self.tokens):
            raise ExpressionError(f"unexpected {self.peek()!r}")

    def union(self) -> Step:
        step = self.either()
        while self.peek() == "|":
            self.take()
            step = _union(step, self.either())
        return step

    def either(self) -> Step:
        step = self.both()
        while self.peek() == "or":
            self.says_truth |= self.depth == 0
            self.take()
            step = _logic(any, step, self.both())
        return step

    def both(self) -> Step:
        step = self.equality()
        while self.peek() == "and":
            self.says_truth |= self.depth == 0
            self.take()
            step = _logic(all, step, self.equality())
        return step

    def equality(self) -> Step:
        step = self.typed()
        while self.peek() in ("=", "!="):
            sign = self.take()
            step = _equality(step, self.typed(), sign == "=")
        return step

    def typed(self) -> Step:
        step = self.path()
        while self.peek() in ("as", "is"):
            word = self.take()
            step = (_as if word == "as" else _is)(step, self.take())
        return step

    def path(self) -> Step:
        step = self.term()
        while self.peek() in (".", "["):
            step = self.index(step) if self.take() == "[" else self.invocation(step)
        return step

    def index(self, step: Step) -> Step:
        number = int(self.take())
        self.take("]")
        return _then(step, lambda values, root: values[number : number + 1])

    def term(self) -> Step:
        if self.peek() == "(":
            self.take()
            step = self.union()
            self.take(")")
            return step
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind in ("string", "number"):
            self.take()
            literal: Any = _unquoted(text) if kind == "string" else int(text)
            return lambda values, root: [literal]
        if text in ("true", "false"):
            self.take()
            return lambda values, root: [text == "true"]
        return self.first_name()

    def first_name(self) -> Step:
        text = self.peek()
        if text == "%resource":
            self.take()
            return lambda values, root: [root]
        if self.depth == 0 and text in (self.base, "Resource", "DomainResource", "$this") and text:
            self.take()
            return _as_is
        if text == "$this":
            self.take()
            return _as_is
        return self.invocation(_as_is)

    def invocation(self, before: Step) -> Step:
        name = self.take().strip("`")
        if self.peek() == "(":
            return self.function(before, name)
        if self.depth == 0 and before is _as_is:
            self.keys.add(name)
        return _then(before, _member(name))

    def function(self, before: Step, name: str) -> Step:
        self.take("(")
        if name in ("as", "ofType", "is"):
            wanted = self.take()
            self.take(")")
            return (_is if name == "is" else _as)(before, wanted)
        if name == "extension" and self.depth == 0 and before is _as_is:
            self.keys.add("extension")
        argument = self.argument()
        self.take(")")
        make = _FUNCTIONS.get(name)
        if make is None:
            raise ExpressionError(f"function {name}() is not one of R4's search expressions")
        return make(before, argument)

    def argument(self) -> Step | None:
        if self.peek() == ")":
            return None
        self.depth += 1
        step = self.union()
        self.depth -= 1
        return step


def _as_is(values: Values, root: Any) -> Values:
    return values


def _then(first: Step, second: Step) -> Step:
    if first is _as_is:
        return second
    return lambda values, root: second(first(values, root), root)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _member(name: str) -> Step:
    """A step into a member; a choice element such as `value` is found under `valueQuantity` and its like."""

    is_choice = name in choice_stems()

    def step(values: Values, root: Any) -> Values:
        found: Values = []
        for value in values:
            if isinstance(value, dict):
                child = value.get(name)
                if child is None and is_choice:
                    child = _choice(value, name)
                if isinstance(child, list):
                    found.extend(child)
                elif child is not None:
                    found.append(child)
        return found

    return step


def _choice(value: dict[str, Any], name: str) -> Any:
    size = len(name)
    for key in value:
        if len(key) > size and key.startswith(name) and key[size].isupper():
            return Typed(value[key], key[size:]) if isinstance(value[key], str) else value[key]
    return None


class Typed(str):
    """A primitive text of a choice element, which remembers its type (`String`, `DateTime`, `Uri`)."""

    __slots__ = ("type",)

    def __new__(cls, text: str, kind: str) -> Typed:
        made = super().__new__(cls, text)
        made.type = kind
        return made

    type: str


def _as(before: Step, wanted: str) -> Step:
    suffix = wanted[0].upper() + wanted[1:]
    return _then(before, lambda values, root: [v for v in values if _has_type(v, suffix)])


def _is(before: Step, wanted: str) -> Step:
    suffix = wanted[0].upper() + wanted[1:]
    return _then(before, lambda values, root: [_has_type(v, suffix) for v in values])


def _has_type(value: Any, suffix: str) -> bool:
    """By shape, which for R4's choice types is enough to tell them apart."""
    if isinstance(value, Typed):
        return value.type == suffix
    if isinstance(value, str):
        return suffix in _TEXT_TYPES
    if isinstance(value, bool):
        return suffix == "Boolean"
    if not isinstance(value, dict):
        return suffix in ("Integer", "Decimal", "PositiveInt", "UnsignedInt")
    if "resourceType" in value:
        return bool(value["resourceType"] == suffix)
    members = _SHAPES.get(suffix)
    return members is not None and members.issuperset(value.keys())


_TEXT_TYPES = frozenset(
    [
        "String",
        "Uri",
        "Url",
        "Canonical",
        "Code",
        "Date",
        "DateTime",
        "Instant",
        "Markdown",
        "Id",
        "Oid",
        "Uuid",
        "Time",
    ]
)
_ELEMENT = ("id", "extension")
_QUANTITY = frozenset(
    [*_ELEMENT, "value", "comparator", "unit", "system", "code", "_value", "_unit", "_comparator"]
)
_SHAPES: dict[str, frozenset[str]] = {
    "CodeableConcept": frozenset([*_ELEMENT, "coding", "text", "_text"]),
    "Coding": frozenset([*_ELEMENT, "system", "version", "code", "display", "userSelected", "_display"]),
    "Quantity": _QUANTITY,
    "SimpleQuantity": _QUANTITY,
    "Age": _QUANTITY,
    "Duration": _QUANTITY,
    "Money": frozenset([*_ELEMENT, "value", "currency"]),
    "Range": frozenset([*_ELEMENT, "low", "high"]),
    "Ratio": frozenset([*_ELEMENT, "numerator", "denominator"]),
    "Period": frozenset([*_ELEMENT, "start", "end", "_start", "_end"]),
    "Timing": frozenset([*_ELEMENT, "modifierExtension", "event", "_event", "repeat", "code"]),
    "Reference": frozenset(
        [*_ELEMENT, "reference", "type", "identifier", "display", "_reference", "_display"]
    ),
    "Identifier": frozenset(
        [*_ELEMENT, "use", "type", "system", "value", "period", "assigner", "_value", "_system"]
    ),
    "SampledData": frozenset(
        [*_ELEMENT, "origin", "period", "factor", "lowerLimit", "upperLimit", "dimensions", "data"]
    ),
    "Attachment": frozenset(
        [*_ELEMENT, "contentType", "language", "data", "url", "size", "hash", "title", "creation"]
    ),
    "Annotation": frozenset([*_ELEMENT, "authorReference", "authorString", "time", "text"]),
}


def _union(first: Step, second: Step) -> Step:
    return lambda values, root: first(values, root) + second(values, root)


def _logic(fold: Callable[[list[bool]], bool], first: Step, second: Step) -> Step:
    return lambda values, root: [fold([_truth(first(values, root)), _truth(second(values, root))])]


def _truth(values: Values) -> bool:
    return bool(values) and values[0] is not False


def _equality(first: Step, second: Step, wanted: bool) -> Step:
    def step(values: Values, root: Any) -> Values:
        left, right = first(values, root), second(values, root)
        return [(left == right) is wanted] if left and right else []

    return step


def _where(before: Step, argument: Step | None) -> Step:
    test = _needed(argument)
    return _then(before, lambda values, root: [v for v in values if _truth(test([v], root))])


def _exists(before: Step, argument: Step | None) -> Step:
    inner = before if argument is None else _where(before, argument)
    return lambda values, root: [bool(inner(values, root))]


def _not(before: Step, argument: Step | None) -> Step:
    return _then(before, lambda values, root: [not _truth(values)])


def _first(before: Step, argument: Step | None) -> Step:
    return _then(before, lambda values, root: values[:1])


def _extension(before: Step, argument: Step | None) -> Step:
    url = _needed(argument)

    def step(values: Values, root: Any) -> Values:
        wanted = url(values, root)
        every = [e for v in values if isinstance(v, dict) for e in v.get("extension", ())]
        return [e for e in every if isinstance(e, dict) and e.get("url") in wanted]

    return _then(before, step)


def _has_extension(before: Step, argument: Step | None) -> Step:
    inner = _extension(before, argument)
    return lambda values, root: [bool(inner(values, root))]


def _resolve(before: Step, argument: Step | None) -> Step:
    """What a reference points at, as far as the reference itself tells: a resource with nothing but its type."""
    return _then(
        before, lambda values, root: [{"resourceType": t} for v in values if (t := _target_type(v, root))]
    )


_TARGET = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?|\?.*)$"
)


def _target_type(value: Any, root: Any) -> str:
    if not isinstance(value, dict):
        return ""
    text = value.get("reference", "")
    if isinstance(text, str) and text.startswith("#"):
        inside = root.get("contained", ()) if isinstance(root, dict) else ()
        return next(
            (str(r.get("resourceType")) for r in inside if isinstance(r, dict) and r.get("id") == text[1:]),
            "",
        )
    match = _TARGET.search(text) if isinstance(text, str) else None
    return match.group(1) if match else str(value.get("type", ""))


def _needed(argument: Step | None) -> Step:
    if argument is None:
        raise ExpressionError("the function needs an argument")
    return argument


_FUNCTIONS: dict[str, Callable[[Step, Step | None], Step]] = {
    "where": _where,
    "exists": _exists,
    "not": _not,
    "first": _first,
    "extension": _extension,
    "hasExtension": _has_extension,
    "resolve": _resolve,
}

"""`_filter`: a condition written as an expression, `status eq final and (code eq 718-7 or not (date lt 2020))`.

Operators become the modifiers and prefixes of ordinary parameters, so both ways of asking share one meaning.
https://hl7.org/fhir/R4/search_filter.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.search.query import AllOf, AnyOf, Condition, Match, Not

MakeCondition = Callable[[str, str], Condition]

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<bracket>[()])|(?P<word>[^\s()"]+))')
_PREFIXED = ("ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_MODIFIED = {
    "co": "contains",
    "sw": "",
    "in": "in",
    "ni": "not-in",
    "ss": "above",
    "sb": "below",
    "re": "",
    "eq": "",
}


def parse_filter(text: str, make: MakeCondition) -> Condition:
    """The expression's condition; `make` turns name and value into one."""
    reader = _Reader([m.group().strip() for m in _TOKEN.finditer(text)], make)
    found = reader.either()
    if reader.at != len(reader.tokens):
        raise reader.refuse()
    return found


class _Reader:
    def __init__(self, tokens: list[str], make: MakeCondition) -> None:
        self.tokens, self.make, self.at = tokens, make, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        found = self.peek()
        if not found:
            raise self.refuse()
        self.at += 1
        return found

    def refuse(self) -> FhirError:
        return FhirError(
            Problem.BAD_PARAMETER, "_filter: expected `name operator value`, and, or, not and brackets."
        )

    def either(self) -> Condition:
        parts = [self.both()]
        while self.peek().lower() == "or":
            self.take()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def both(self) -> Condition:
        parts = [self.single()]
        while self.peek().lower() == "and":
            self.take()
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def single(self) -> Condition:
        if self.peek().lower() == "not":
            self.take()
            return Not(self.single())
        if self.peek() == "(":
            self.take()
            inner = self.either()
            if self.take() != ")":
                raise self.refuse()
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        name, operator, value = self.take(), self.take().lower(), _value(self.take())
        if operator == "pr":
            return self.make(f"{name}:missing", "false" if value == "true" else "true")
        if operator == "po":
            return _overlaps(self.make, name, value)
        if operator == "ew":
            return _ends(self.make(name, value), name)
        if operator == "ne":
            return Not(self.make(name, value))
        if operator in _PREFIXED:
            return self.make(name, f"{operator}{value}")
        if operator not in _MODIFIED:
            raise self.refuse()
        modifier = _MODIFIED[operator]
        return self.make(f"{name}:{modifier}" if modifier else name, value)


def _overlaps(make: MakeCondition, name: str, value: str) -> Condition:
    """Neither wholly before nor wholly after."""
    outside = AnyOf((make(name, f"sa{value}"), make(name, f"eb{value}")))
    return AllOf((make(f"{name}:missing", "false"), Not(outside)))


def _ends(condition: Condition, name: str) -> Condition:
    """No modifier of a URL says this."""
    if not isinstance(condition, Match) or condition.parameter.type != "string":
        raise FhirError(Problem.BAD_PARAMETER, f"_filter: ew is for strings, and {name} is none.")
    return replace(condition, modifier="ends")


def _value(token: str) -> str:
    """A quoted text is one value, whatever commas it holds."""
    if not token.startswith('"'):
        return token
    inner = re.sub(r"\\(.)", r"\1", token[1:-1])
    return re.sub(r"([,$\\])", r"\\\1", inner)

"""Asked: one value of a search parameter, as a search type sees it.

`column("lo")` names a column of the index row that is being tested: plain (`i.lo`), or one component of a composite (`i.c2_lo`).
https://hl7.org/fhir/R4/search.html#prefix and https://hl7.org/fhir/R4/search.html#escaping
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.sql import Fragment

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


@dataclass(frozen=True, slots=True)
class Asked:
    """`text`: the value, still escaped; `name`: the parameter as written (for messages); `now`: what `ap` is relative to.

    `narrowed`: the only type that a reference may lead to.
    """

    text: str
    name: str
    now: datetime
    base: str = ""
    modifier: str = ""
    types: tuple[str, ...] = ()
    alias: str = "i"
    component: str = ""
    narrowed: str = ""

    def column(self, name: str) -> str:
        """The column's SQL name."""
        return f"{self.alias}.{self.component}{name}"

    def parts(self) -> list[str]:
        """The text between unescaped bars, unescaped."""
        return [unescape(part) for part in split(self.text, "|")]

    def prefix(self) -> tuple[str, str]:
        """The comparison prefix (`eq` where none stands) and the rest."""
        head, rest = self.text[:2], self.text[2:]
        return (head, rest) if head in PREFIXES and rest else ("eq", self.text)

    def refuse(self, wanted: str) -> FhirError:
        """The error for a value of the wrong form."""
        return FhirError(Problem.BAD_PARAMETER, f"{self.name}: expected {wanted}.")


def split(text: str, separator: str) -> list[str]:
    """Split where the separator is not escaped; the escapes stay."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


_ESCAPED = re.compile(r"(?:[^\\]|\\[,|$\\])*")


def check_escapes(name: str, value: str) -> None:
    """Raises BAD_PARAMETER where a backslash stands before anything but `,` `|` `$` or itself."""
    if "\\" in value and not _ESCAPED.fullmatch(value):
        raise FhirError(
            Problem.BAD_PARAMETER,
            f"{name}: a backslash escapes a comma, a bar, a dollar sign or a backslash.",
        )


def unescape(text: str) -> str:
    """`\\,` `\\|` `\\$` `\\\\` become what they stand for."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


TERM = "(SELECT id FROM term WHERE md5(text) = md5(%s) AND text = %s)"
"""The number of an interned text (two values: the text, twice); NULL where no row has it."""


def term(column: str, text: str) -> Fragment:
    """The column holds the number of this text."""
    return Fragment(f"{column} = {TERM}", (text, text))

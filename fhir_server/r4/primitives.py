"""The forms of R4's primitive datatypes, as checks.

The patterns are those of https://hl7.org/fhir/R4/datatypes.html#primitive; dates must also be days that exist, and strings hold
no control characters (XML and Postgres cannot keep them).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.r4.faults import Check, Faults, fault, named
from fhir_server.r4.narrative import narrative

_YEAR = r"(?!0000)\d{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REMEMBERED = 4096
LONGEST = 1024 * 1024

# type -> pattern of the whole text, and the form in words
FORMS: dict[str, tuple[str, str]] = {
    "id": (r"[A-Za-z0-9\-.]{1,64}", "1 to 64 letters, digits, hyphens and dots"),
    "code": (r"[^\s]+(?:\s[^\s]+)*", "words with a single space between them"),
    "uri": (r"\S+", "a URI without blanks"),
    "url": (r"\S+", "a URL without blanks"),
    "canonical": (r"\S+", "a canonical URL without blanks"),
    "oid": (r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", "urn:oid: and numbers with dots between them"),
    "uuid": (r"urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "urn:uuid: and a UUID in lower case"),
    "time": (_TIME, "hh:mm:ss"),
}
DATES: dict[str, tuple[str, str]] = {
    "date": (rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?", "YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": (
        rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_TIME}{_ZONE})?)?)?",
        "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone",
    ),
    "instant": (rf"{_YEAR}-{_MONTH}-{_DAY}T{_TIME}{_ZONE}", "YYYY-MM-DDThh:mm:ss with a time zone"),
}
INTEGERS: dict[str, tuple[int, str]] = {
    "integer": (-(2**31), "a whole number of 32 bits"),
    "unsignedInt": (0, "a whole number from 0 to 2147483647"),
    "positiveInt": (1, "a whole number from 1 to 2147483647"),
}


def _text(kind: str, is_form: Callable[[str], Any], form: str) -> Check:
    """A check of a text; texts that were right are remembered, since codes, systems and units return all the time."""
    right: set[str] = set()

    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is not str:
            return fault("structure", f"A {kind} is a JSON string; this is {named(value)}.")
        if value in right:
            return None
        if not is_form(value):
            return fault("value", f"This is not the form of a {kind}: {form}.")
        if len(right) < _REMEMBERED and len(value) < 100:
            right.add(value)
        return None

    return check


def _matching(pattern: str) -> Callable[[str], Any]:
    whole = re.compile(pattern).fullmatch
    return lambda text: whole(text) and not _UNSEEN.search(text)


def _dating(pattern: str) -> Callable[[str], Any]:
    whole = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: (
        whole(text) and (text[8:10] < "29" or int(text[8:10]) <= monthrange(int(text[:4]), int(text[5:7]))[1])
    )


def string(value: Any, parent: dict[str, Any]) -> Faults:
    """A string or markdown: not empty, not blank, no control characters but tab and line ends."""
    if type(value) is not str:
        return fault("structure", f"A string is a JSON string; this is {named(value)}.")
    if not value or value.isspace():
        return fault("value", "A string is not empty or blank; leave the element out instead.")
    if len(value) > LONGEST:
        return fault("value", "A string has 1,048,576 characters at most.")
    if not value.isprintable() and _UNSEEN.search(value):
        return fault("value", "A string holds no control characters but tab, line feed and carriage return.")
    return None


def boolean(value: Any, parent: dict[str, Any]) -> Faults:
    """JSON's true or false."""
    if value is True or value is False:
        return None
    return fault("structure", f"A boolean is true or false without quotes; this is {named(value)}.")


def decimal(value: Any, parent: dict[str, Any]) -> Faults:
    """A JSON number of any precision."""
    if type(value) is int or isinstance(value, (Decimal, float)):
        return None
    return fault("structure", f"A decimal is a JSON number without quotes; this is {named(value)}.")


def _integer(kind: str, least: int, form: str) -> Check:
    def check(value: Any, parent: dict[str, Any]) -> Faults:
        if type(value) is int:
            return (
                None if least <= value < 2**31 else fault("value", f"This is not the form of {kind}: {form}.")
            )
        if isinstance(value, (Decimal, float)):
            return fault(
                "value", f"This is not the form of {kind}: {form}, written without a point or an exponent."
            )
        return fault(
            "structure", f"A value of {kind} is a JSON number without quotes; this is {named(value)}."
        )

    return check


_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*").fullmatch
_BLANK = re.compile(r"\s+")


def _is_base64(text: str) -> bool:
    if not _BASE64(text):
        return False
    size = len(text) if len(text) % 4 == 0 and text.isprintable() else len(_BLANK.sub("", text))
    return size > 0 and size % 4 == 0


PRIMITIVES: dict[str, Check] = {
    "string": string,
    "markdown": string,
    "boolean": boolean,
    "decimal": decimal,
    "xhtml": narrative,
    "base64Binary": _text(
        "base64Binary", _is_base64, "groups of four letters, digits, + and /, with = at the end"
    ),
    **{kind: _text(kind, _matching(pattern), form) for kind, (pattern, form) in FORMS.items()},
    **{kind: _text(kind, _dating(pattern), form) for kind, (pattern, form) in DATES.items()},
    **{kind: _integer(kind, least, form) for kind, (least, form) in INTEGERS.items()},
}
